# Every target sets up what it needs: see tools/bootstrap.sh and tools/environment.py.
#   PYTHON=/path/to/python3.12   the interpreter that .venv is made with
#   INSTALLER=pip                install with pip although uv is there
#   ARGS="--select train+"       further arguments of run, ui, test and bench
#   TEST_JOBS=4                  processes that run the tests

TEST_JOBS ?= 2
CODE := ml_assets resources security sensors src tools
# DVC's stages call `python`: it has to be the environment's.
IN_ENVIRONMENT := PATH="$(CURDIR)/.venv/bin:$$PATH"
CHECKS := check-format check-style check-types check-security check-imports check-docs

.DEFAULT_GOAL := help
.PHONY: help run ui test check $(CHECKS) fmt bench lock clean environment environment-dev

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

run: environment ## set everything up and run the flight delays pipeline
	@$(IN_ENVIRONMENT) ml-assets run $(ARGS)

ui: environment ## show the pipeline in the Dagster UI on 127.0.0.1
	@$(IN_ENVIRONMENT) ml-assets ui $(ARGS)

test: environment-dev ## set everything up and run all tests
	@.venv/bin/python -m tools.system_packages
	@echo "test: bringing the flight delays model up to date, for tests/model_tests"
	@$(IN_ENVIRONMENT) ml-assets run
	@$(IN_ENVIRONMENT) python -m pytest -n $(TEST_JOBS) --dist loadgroup --durations 15 $(ARGS)

check: environment-dev ## judge formatting, style, types, security, imports and documentation
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

fmt: environment-dev ## format the code
	@.venv/bin/black .

bench: environment-dev ## measure against dvc repro
	@$(IN_ENVIRONMENT) python -m benchmarks $(ARGS)

lock: ## write requirements/*.lock from pyproject.toml (ARGS=--upgrade for newer versions)
	@sh tools/lock.sh $(ARGS)

clean: ## remove the environment and what tools have cached; data and results stay
	rm -rf .venv .mypy_cache .pytest_cache .import_linter_cache .hypothesis build dist

environment:
	@sh tools/bootstrap.sh run

environment-dev:
	@sh tools/bootstrap.sh dev
