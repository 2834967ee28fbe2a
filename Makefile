# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
UI_ENV := CI=1 npm_config_fund=false npm_config_audit=false

.PHONY: demo test lint unit ui ui-dev reference clean

# Start the workbench with ready demo projects; nothing else is needed, no key, no network after this.
demo: .venv/installed
	$(BIN)/labelwright demo

# Everything that must hold: linters, type checkers, generated files, unit tests of both languages, journeys in a browser.
test: .venv/installed-dev ui/node_modules/.installed
	./scripts/system-packages.sh
	$(MAKE) lint
	cd ui && $(UI_ENV) npm test
	$(BIN)/python -m labelwright.devtools.ui build
	$(BIN)/pytest

lint: .venv/installed-dev ui/node_modules/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m labelwright.devtools.reference --check
	cd ui && npm run --silent types:check && npm run --silent lint && npm run --silent typecheck

ui: .venv/installed
	$(BIN)/python -m labelwright.devtools.ui build

# Serve the sources with hot reload; run `labelwright start` beside it.
ui-dev: ui/node_modules/.installed
	cd ui && npm run dev

# The generated reference: OpenAPI description and the TypeScript types made from it.
reference: .venv/installed-dev ui/node_modules/.installed
	$(BIN)/python -m labelwright.devtools.reference
	cd ui && npm run types

clean:
	rm -rf .venv ui/node_modules src/labelwright/server/static dist

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e .
	touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@ .venv/installed

ui/node_modules/.installed: ui/package-lock.json
	cd ui && $(UI_ENV) npm ci --ignore-scripts
	touch $@
