#!/bin/sh
# Build or update .venv with this package and the extras and groups that are named; quick when nothing has changed.
#   scripts/make_venv.sh STAMP EXTRAS [GROUP]
set -eu
stamp=$1 extras=$2 group=${3:-}
venv=.venv
key=$(cat pyproject.toml constraints.txt scripts/make_venv.sh | sha256sum | cut -d' ' -f1)
if [ -x "$venv/bin/python" ] && [ -f "$venv/$stamp" ] && [ "$(cat "$venv/$stamp")" = "$key" ]; then
    exit 0
fi
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "msgflux_nb needs Python 3.11 or newer; $python is $("$python" --version 2>&1). Name another with: make PYTHON=python3.12 ..." >&2
    exit 1
}
if [ ! -x "$venv/bin/python" ]; then
    # Debian's python3 comes without ensurepip unless python3-venv is installed; virtualenv brings its own pip.
    "$python" -m venv "$venv" 2>/dev/null || {
        rm -rf "$venv"
        helper=$(mktemp -d)
        "$python" -m pip install --quiet --target "$helper" virtualenv &&
            PYTHONPATH="$helper" "$python" -m virtualenv --quiet "$venv" || {
            echo "cannot build a virtual environment. On Debian: apt-get install python3-venv" >&2
            rm -rf "$helper" "$venv"
            exit 1
        }
        rm -rf "$helper"
    }
fi
echo "Installing into $venv ..."
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
set -- -c constraints.txt -e ".[$extras]"
[ -z "$group" ] || set -- "$@" --group "$group"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
printf '%s' "$key" > "$venv/$stamp"
