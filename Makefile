# `make demo` and `make test` need Python 3.11, pip and make; they install everything else.

PYTHON ?= python3
BIN = .venv/bin
NOTEBOOK = notebooks/00_quickstart.ipynb
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Without bytecode files, each of hundreds of processes would compile the same modules.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo docs crawl wheel test thorough rewritten coverage versions check format unit notebooks browser fuzz weights pictures clean help

help:            ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/ -/'

demo:            ## open the quickstart in JupyterLab; HEADLESS=1 runs it and prints its table
	@PYTHON=$(PYTHON) scripts/make_venv.sh demo local,lab
	@scripts/install_system.sh libgomp
	@$(BIN)/msgflux-nb models pull
ifdef HEADLESS
	@$(BIN)/python scripts/run_notebook.py $(NOTEBOOK)
else
	@$(BIN)/msgflux-nb lab $(NOTEBOOK)
endif

test: .test-ready ## run the unit tests, the notebooks, the browser tests, and a short fuzz test
	@failed=; $(MAKE) --no-print-directory rewritten & $(MAKE) --no-print-directory fuzz READY= FUZZ_SECONDS=--same || failed=" fuzz"; wait; \
	for part in unit notebooks browser; do $(MAKE) --no-print-directory $$part READY= WITHOUT="$(RUN_BY_BROWSER)" || failed="$$failed $$part"; done; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed"; exit 1; fi

thorough:        ## run `make test` with every case of its large matrices and five times as many random examples
	@MSGFLUX_TESTS=thorough $(MAKE) --no-print-directory test

# The browser tests run each cell of the quickstart, too.
RUN_BY_BROWSER = --ignore=notebooks/00_quickstart.ipynb

READY ?= .test-ready
# Test files run in the order of tests/conftest.py. nbval takes seconds to load, and only the notebooks need it. Unit
# tests wait for a large part of their time, so they get a third process; kernels and Chromium use the CPU all the time.
WORKERS ?= 2
unit coverage: WORKERS = 3
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile
unit: $(READY)
	$(PYTEST) tests --ignore=tests/browser -p no:nbval --no-loadscope-reorder --durations=25

# pytest rewrites the assertions of each test module that has changed; with this, it does so once, and not in each worker.
rewritten:
	@$(BIN)/python -m pytest tests -p no:nbval --collect-only -qq >/dev/null || true

notebooks: $(READY)
	MSGFLUX_REPLAY_SPEED=inf $(PYTEST) -p no:cacheprovider --nbval-lax --nbval-sanitize-with notebooks/nbval_sanitize.cfg --nbval-cell-timeout=600 $(WITHOUT) notebooks

browser: $(READY)
	$(PYTEST) tests/browser -p no:nbval --no-loadscope-reorder --durations=10

FUZZ_SECONDS ?= 600
fuzz: $(READY) ## feed random input to every reader of bytes for ten minutes, or for FUZZ_SECONDS
	@[ "$(FUZZ_SECONDS)" = --same ] || $(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet atheris || echo "atheris is not there: the input is random, without its guidance"
	$(BIN)/python -m tests.fuzz $(FUZZ_SECONDS)

coverage: .test-ready ## print how many lines and branches the unit tests run, without the browser tests
	$(PYTEST) tests --ignore=tests/browser -p no:nbval --cov=msgflux_nb --cov-branch --cov-report=term:skip-covered

versions: .test-ready ## test the lowest allowed versions, Python 3.12 and 3.13 if they are installed, 3.14 under node
	scripts/versions.sh lowest
	@for python in python3.12 python3.13; do \
	if command -v $$python >/dev/null; then echo $$python; scripts/versions.sh $$python || exit 1; else echo "$$python is not installed"; fi; done
	scripts/versions.sh 3.14

check:           ## check lint, format, and the types of the package and of the widgets' pages
	@PYTHON=$(PYTHON) scripts/make_venv.sh test local,lab test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python scripts/check_pages.py
	$(BIN)/python scripts/check_typing.py

docs:            ## build the site into build/site; a warning or a dead link is an error
	@PYTHON=$(PYTHON) scripts/make_venv.sh docs local,lab docs
	$(BIN)/python scripts/site.py

crawl: docs      ## walk through the built site in Chromium: links, console, requests, replays, widths
	@scripts/install_system.sh chromium
	$(BIN)/python scripts/crawl.py

wheel:           ## build wheel and sdist into build/dist; run and time the whole course from the wheel, without a network
	$(PYTHON) scripts/wheel_course.py

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

weights:
	@$(BIN)/msgflux-nb models pull
	@$(BIN)/msgflux-nb models pull smollm2-135m

.PHONY: .test-ready
.test-ready:
	@PYTHON=$(PYTHON) scripts/make_venv.sh test local,lab test
	@scripts/install_system.sh libgomp
	@scripts/install_system.sh libatomic
	@scripts/install_system.sh chromium
	@$(BIN)/python -c "from scripts.check_pages import install; install()"
	@$(BIN)/msgflux-nb models pull
	@$(BIN)/msgflux-nb models pull smollm2-135m

pictures: .test-ready ## take the pictures of the docs again, and the film of README
	@scripts/install_system.sh fonts
	$(BIN)/python scripts/pictures.py

clean:           ## remove the environment and what tools left behind
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
