# One verb per thing a person does; CI runs the same verbs.
.DEFAULT_GOAL := help
.PHONY: help setup demo local test simulate bench check format lock clean

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
STAMP := $(VENV)/.installed

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## create .venv from the hash-locked requirements

$(STAMP): requirements/dev.txt pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh "$(VENV)" "$(PYTHON)"
	@touch $@

demo: setup ## watch a signup go through every station
	@$(BIN)/onramp demo

local: setup ## keep a local stack up until Ctrl-C
	@$(BIN)/onramp local up

test: setup ## run every test
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

simulate: setup ## play 10,000 schedules, every pair of faults and a storm of 100,000 signups
	@$(BIN)/python -m tests.simulation.run

bench: setup ## measure redrive and backfill against the local stack
	@for script in tests/bench/bench_*.py; do \
		echo "== $$(basename $$script .py)"; $(BIN)/python -m tests.bench.$$(basename $$script .py) || exit 1; done

check: setup ## lint, types and template checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## format and sort the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup ## compile pyproject's dependency groups to requirements/*.txt
	BIN=$(BIN) sh scripts/lock.sh

include scripts/build.mk
include scripts/security.mk

clean: ## remove everything that setup and build made
	rm -rf $(VENV) .tools .build .aws-sam .onramp .pytest_cache .mypy_cache .ruff_cache
