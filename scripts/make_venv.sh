#!/bin/sh
# Build or update .venv with this package and the extras and groups that are named; quick when nothing has changed.
#   scripts/make_venv.sh demo|test|docs EXTRAS [GROUP]
set -eu
kind=$1 extras=$2 group=${3:-}
venv=.venv
key=$(cat pyproject.toml constraints.txt scripts/make_venv.sh | sha256sum | cut -d' ' -f1)
# An environment that was made for the tests holds all that the demo needs.
stamps="$kind test"
[ "$kind" != docs ] || stamps=docs
for stamp in $stamps; do
    if "$venv/bin/msgflux-nb" --version >/dev/null 2>&1 && [ "$(cat "$venv/$stamp.stamp" 2>/dev/null)" = "$key" ]; then
        exit 0
    fi
done

python=${PYTHON:-python3}
command -v "$python" >/dev/null 2>&1 || {
    echo "there is no $python. On Debian: apt-get install python3 python3-venv" >&2
    exit 1
}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "msgflux_nb needs Python 3.11 or newer; $python is $("$python" --version 2>&1). Name another with: make PYTHON=python3.12 ..." >&2
    exit 1
}
# Also builds it anew where an interrupt has left one without pip, or where the folder was moved: commands name their Python.
if ! "$venv/bin/pip" --version >/dev/null 2>&1; then
    rm -rf "$venv"
    # Debian's python3 comes without ensurepip unless python3-venv is installed; virtualenv brings its own pip.
    "$python" -m venv "$venv" >/dev/null 2>&1 || {
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
# --group is known to pip since 25.1.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
set -- -c constraints.txt -e ".[$extras]"
[ -z "$group" ] || set -- "$@" --group "$group"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
if [ "$kind" = test ]; then
    # Beside the newest ipykernel, the oldest that pyproject.toml allows: tests/browser starts kernels with both.
    rm -rf "$venv/oldest-ipykernel"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$venv/oldest-ipykernel" \
        ipykernel==6.29.0 nest-asyncio==1.6.0
fi
printf '%s' "$key" > "$venv/$kind.stamp"
