#!/bin/sh
# The browser tests drive Debian's Chromium. Install it where that is possible, and say clearly where it is not.
set -eu
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null 2>&1; then
        exit 0
    fi
done
run=
if [ "$(id -u)" != 0 ]; then
    run="sudo -n"
fi
if command -v apt-get >/dev/null 2>&1 && $run true 2>/dev/null; then
    echo "Installing Chromium from the system's packages (about 360 MB) ..."
    $run env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    $run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
    command -v chromium >/dev/null 2>&1 && exit 0
fi
echo "The browser tests need Chromium, and it could not be installed here. Install it, for example with:" >&2
echo "    sudo apt-get install chromium" >&2
exit 1
