#!/bin/sh
# Install what pip cannot install, from the system's packages; if that is not possible, say how to install it.
#   scripts/install_system.sh libgomp     a library that llama.cpp needs; Debian's slim images lack it
#   scripts/install_system.sh chromium    the browser of the browser tests
#   scripts/install_system.sh libatomic   a library that the driver of the browser tests needs
#   scripts/install_system.sh fonts       the fonts in the pictures of the docs
set -eu

there() {
    case $1 in
        libgomp | libatomic)
            # Only Linux needs these libraries; on other systems the wheels include them.
            [ "$(uname -s)" != Linux ] || .venv/bin/python -c "import ctypes; ctypes.CDLL('$1.so.1')" 2>/dev/null
            ;;
        fonts) fc-list 2>/dev/null | grep -qi "JetBrains" && fc-list | grep -qi "/Inter" ;;
        chromium)
            [ -n "${MSGFLUX_CHROMIUM:-}" ] && return 0
            for name in chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
                command -v "$name" >/dev/null 2>&1 && return 0
            done
            return 1
            ;;
    esac
}

case $1 in
    libgomp) packages=libgomp1 purpose="The embedded model needs libgomp" ;;
    libatomic) packages=libatomic1 purpose="The browser tests need libatomic" ;;
    fonts) packages="fonts-inter fonts-jetbrains-mono" purpose="The pictures of the docs need Inter and JetBrains Mono" ;;
    # The headless shell starts and loads pages in less time; older systems have only the whole Chromium.
    chromium)
        packages="chromium-headless-shell fonts-dejavu-core" purpose="The browser tests need Chromium"
        otherwise="chromium fonts-dejavu-core"
        ;;
    *)
        echo "expected libgomp, libatomic, fonts or chromium, got $1" >&2
        exit 2
        ;;
esac
there "$1" && exit 0

as_root=
[ "$(id -u)" = 0 ] || as_root="sudo -n"
if command -v apt-get >/dev/null 2>&1 && $as_root true 2>/dev/null; then
    echo "$purpose: installing $packages from the system's packages ..."
    log=$(mktemp)
    install() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >>"$log" 2>&1; }
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get update >"$log" 2>&1 &&
        { install $packages || { [ -n "${otherwise:-}" ] && install $otherwise; }; } ||
        tail -n 5 "$log" >&2
    rm -f "$log"
    there "$1" && exit 0
fi
echo "$purpose, and it could not be installed here. Install it, for example with:" >&2
echo "    sudo apt-get install ${otherwise:-$packages}" >&2
exit 1
