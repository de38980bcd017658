# Every target does its own set-up: a fresh clone needs Python 3.11 or newer and make.
# Where npm is found, the tests also get a real OpenID provider.

SHELL := /bin/sh
.SHELLFLAGS := -euc
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first interpreter that is new enough and able to make virtual environments.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
VENV ?= .venv
PYTEST_ARGS ?=
WORKERS ?= logical

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SOURCES := jwt_guard integrations sample_apps tests docs
TYPED := $(wildcard $(SOURCES))

# The peers that we are measured against have an environment of their own.
BENCH_VENV ?= .venv-bench
BENCH_INSTALLED := $(BENCH_VENV)/.installed
BENCHMARKS ?=

NPM := $(shell command -v npm 2>/dev/null)
PROVIDER := tests/support/oidc_provider
ifneq ($(and $(NPM),$(wildcard $(PROVIDER)/package.json)),)
PROVIDER_INSTALLED := $(PROVIDER)/node_modules/.package-lock.json
endif

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.PHONY: demo
demo: $(INSTALLED) ## start the sample applications and tour them with good and bad requests
	@$(BIN)/jwt-guard demo

.PHONY: test
test: $(INSTALLED) $(PROVIDER_INSTALLED) ## run all tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

.PHONY: check
check: $(INSTALLED) ## lint, format, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(TYPED)
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

.PHONY: format
format: $(INSTALLED) ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: coverage
coverage: ## run all tests with branch coverage; fails under 95 % of the core
	@$(MAKE) --no-print-directory test PYTEST_ARGS="--cov --cov-report= $(PYTEST_ARGS)"
	@$(MAKE) --no-print-directory coverage-report

.PHONY: coverage-report
coverage-report: $(INSTALLED) ## judge the coverage that the last such run wrote down
	@echo "The adapters:" && $(BIN)/coverage report --include='integrations/*'
	@echo "The core:" && $(BIN)/coverage report --include='jwt_guard/*' --fail-under=95

.PHONY: bench
bench: $(BENCH_INSTALLED) ## measure us and our peers; rewrites docs/speed (BENCHMARKS="verify issue" for some)
	@$(BENCH_VENV)/bin/python -m tests.benchmarks $(BENCHMARKS)

.PHONY: bench-quick
bench-quick: $(INSTALLED) ## measure in a minute; fails only at twice what we promise
	@$(BIN)/python -m pytest tests/benchmarks/test_quick.py $(PYTEST_ARGS)

.PHONY: docs
docs: $(INSTALLED) ## build the documentation into docs/_build/html
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -q -b html docs docs/_build/html

.PHONY: clean
clean: ## remove everything that the targets made
	rm -rf .venv .venv-bench build dist docs/_build htmlcov .coverage .coverage.* coverage.xml
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -rf $(PROVIDER)/node_modules
	find jwt_guard integrations sample_apps tests docs -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV), for a minute or two ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(BENCH_INSTALLED): pyproject.toml tests/benchmarks/peers.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BENCH_VENV)/bin/python || $(PYTHON) -m venv $(BENCH_VENV)
	@echo "Installing into $(BENCH_VENV) ..."
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		--editable '.[all]' --requirement tests/benchmarks/peers.txt
	@touch $@

# Without the registry the tests still run; those that need the provider skip and say so.
$(PROVIDER_INSTALLED): $(PROVIDER)/package.json
	@npm install --no-package-lock --no-audit --no-fund --loglevel=error --prefix $(PROVIDER) \
		&& touch $@ || echo "npm install failed: the tests with the OpenID provider will be skipped" >&2
