# Every target sets up .venv from the constraints first, so that each works on a fresh machine.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
export UV_LINK_MODE := copy

.PHONY: help install demo up test lint format types bench constraints clean

help: ## Show this
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Set up .venv with exactly the tested versions

$(INSTALLED): pyproject.toml setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed, not $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || { echo "making .venv"; $(PYTHON) -m venv .venv \
	  || { echo "The venv module is missing. On Debian and Ubuntu: apt install python3-venv"; exit 1; }; }
	@echo "installing the tested versions into .venv (a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --compile-bytecode --constraint constraints.txt --editable '.[dev]'
	@touch $(INSTALLED)

demo: $(INSTALLED) ## Simulate a company, build every layer, train the models, and serve it all (DEMO="--users 300 --days 60")
	@$(BIN)/clientnest demo $(DEMO)

up: $(INSTALLED) ## Run all services on what is there (UP="--schedules")
	@$(BIN)/clientnest up $(UP)

test: $(INSTALLED) ## Run all tests (TEST="-k landing" for some)
	@$(BIN)/pytest -n 2 --no-loadscope-reorder --max-worker-restart 0 $(TEST)

lint: $(INSTALLED) ## Check style of Python and SQL
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/sqlfluff lint --processes 2 dbt_project

format: $(INSTALLED) ## Mend the style of Python and SQL
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/sqlfluff fix --processes 2 dbt_project

types: $(INSTALLED) ## Check types strictly
	@$(BIN)/mypy

bench: $(INSTALLED) ## Measure everything against the bare engines and its limits (BENCH="kafka" for one)
	@$(BIN)/python -m clientnest_assets_tests.benchmarks $(BENCH)

constraints: $(INSTALLED) ## Resolve all dependencies anew into constraints.txt
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
	  --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet --output-file constraints.txt

clean: ## Remove .venv and caches; the data in .clientnest stays
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis dbt_project/target dbt_project/logs *.egg-info
