#!/bin/sh
# Test versions other than those of constraints.txt, each in a separate environment in build/versions.
#   scripts/versions.sh lowest        the lowest versions that pyproject.toml allows, by constraints-lowest.txt
#   scripts/versions.sh python3.13    another installed Python
#   scripts/versions.sh 3.14          Python 3.14 as WebAssembly, under node: generation/ and protocol/
set -eu
unset PYTHONPATH
folder=build/versions
tools="pytest hypothesis jsonschema annotated-types pydantic"
mkdir -p "$folder"

if [ "$1" = 3.14 ]; then
    npm install --silent --no-audit --no-fund --prefix "$folder/node" pyodide@314.0.8
    site=$folder/site-3.14
    if [ ! -e "$site/pytest" ]; then
        .venv/bin/python -m pip install --quiet --no-deps --target "$site" --python-version 3.14 --implementation cp \
            --abi cp314 --platform pyemscripten_2026_0_wasm32 --only-binary :all: msgspec
        # Later versions of hypothesis have compiled code; this one is pure Python.
        .venv/bin/python -m pip install --quiet --no-deps --target "$site" \
            typing-extensions pytest pluggy iniconfig packaging pygments hypothesis==6.130.0 sortedcontainers attrs
    fi
    # Tests are left out that need numpy, Pillow, jsonschema, threads, or a deeper stack than WebAssembly has.
    # hypothesis is imported before pytest, to set a profile.
    exec node scripts/python314.mjs "$folder/node/node_modules/pyodide" "$site" -p no:cacheprovider -p no:randomly \
        -W "ignore:Module already imported" \
        tests/generation tests/protocol --ignore=tests/generation/test_round_trip.py \
        --ignore=tests/generation/test_said.py --ignore=tests/generation/test_tool_schema.py \
        --ignore=tests/protocol/test_left_out.py --ignore=tests/protocol/test_cut_prompt.py \
        -k "not megabyte and not four_times_as_long and not in_proportion and not too_deep and not deep \
and not test_a_text_without_a_fitting_value and not test_what_only_looks_like_json and not test_1_whole_calls"
fi

python=$1 constraints=constraints.txt
[ "$1" != lowest ] || python=${PYTHON:-python3} constraints=constraints-lowest.txt
venv=$folder/$(basename "$1")
if [ ! -x "$venv/bin/pytest" ]; then
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c $constraints -e . $tools
fi
# pandas 2.2.0 warns at each import of what pandas 3 will need.
exec "$venv/bin/python" -m pytest -p no:cacheprovider -W ignore::DeprecationWarning \
    tests/generation tests/protocol tests/display tests/storage/test_answers.py
