# Each target installs its dependencies: see tools/bootstrap.sh and tools/environment.py.
#   PYTHON=/path/to/python3.12   the interpreter for .venv
#   INSTALLER=pip                install with pip even if uv is on PATH
#   ARGS="--select train+"       more arguments for run, ui, test, test-fast and bench
#   TEST_JOBS=4                  processes for the tests

CORES := $(shell getconf _NPROCESSORS_ONLN)
# One more than the cores: the tests of servers mostly wait.
TEST_JOBS ?= $(shell expr $(CORES) + 1)
CODE := ml_assets resources security sensors src tools
# Stages call `python`, which must be that of the environment.
IN_ENVIRONMENT := PATH="$(CURDIR)/.venv/bin:$$PATH"
# Tests start thousands of processes: without cached bytecode each compiles all modules.
IN_TESTS := $(IN_ENVIRONMENT) PYTHONDONTWRITEBYTECODE=
CHECKS := check-format check-style check-types check-security check-imports check-docs

.DEFAULT_GOAL := help
.PHONY: help run ui test test-fast check $(CHECKS) docs fmt bench lock clean environment environment-dev

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

run: environment ## run the flight delays pipeline
	@$(IN_ENVIRONMENT) ml-assets run $(ARGS)

ui: environment ## serve the pipeline in the Dagster UI on 127.0.0.1
	@$(IN_ENVIRONMENT) ml-assets ui $(ARGS)

test: environment-dev ## run all tests
	@.venv/bin/python -m tools.system_packages
	@echo "test: running the flight delays pipeline, for tests/model_tests"
	@$(IN_ENVIRONMENT) ml-assets run
	@$(IN_TESTS) python -m pytest -n $(TEST_JOBS) --dist loadgroup --durations 15 $(ARGS)

test-fast: environment-dev ## run the unit tests that start no process
	@$(IN_TESTS) python -m pytest -n $(CORES) -m "not process" --durations 15 tests/unit $(ARGS)

check: environment-dev ## check formatting, style, types, security, imports and documentation
	@$(MAKE) --no-print-directory --keep-going $(CHECKS)

check-format:
	@echo "check: black" && .venv/bin/black --check .

check-style:
	@echo "check: flake8" && .venv/bin/flake8

check-types:
	@echo "check: mypy" && .venv/bin/mypy

check-security:
	@echo "check: bandit" && .venv/bin/bandit --quiet --configfile pyproject.toml --recursive $(CODE)
	@.venv/bin/bandit --quiet --configfile pyproject.toml -lll -iii --recursive tests benchmarks

check-imports:
	@echo "check: import-linter" && .venv/bin/lint-imports --no-logo

check-docs:
	@echo "check: docs" && .venv/bin/python -m tools.check_docs

docs: environment-dev ## write the generated pages of docs/reference and the settings schema
	@.venv/bin/python -m tools.generated_docs

fmt: environment-dev ## format the code
	@.venv/bin/black .

bench: environment-dev ## run the benchmarks against dvc repro
	@$(IN_ENVIRONMENT) python -m benchmarks $(ARGS)

lock: ## resolve requirements/*.lock from pyproject.toml (ARGS=--upgrade for newer versions)
	@sh tools/lock.sh $(ARGS)

clean: ## remove .venv and the tools' caches; keep data and results
	rm -rf .venv .mypy_cache .pytest_cache .import_linter_cache .hypothesis build dist

environment:
	@sh tools/bootstrap.sh run

environment-dev:
	@sh tools/bootstrap.sh dev
