# One target per task. CI runs the same targets.
.DEFAULT_GOAL := help
.PHONY: help setup demo local test simulate storm mutate bench verify check format lock clean

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
STAMP := $(VENV)/.installed

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## create .venv from the hash-locked requirements

$(STAMP): requirements/dev.txt pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh "$(VENV)" "$(PYTHON)"
	@touch $@

demo: setup ## run a signup through the whole pipeline on this machine
	@$(BIN)/onramp demo

local: setup ## run a local stack until Ctrl-C
	@$(BIN)/onramp local up

# Four processes also on two cores: the tests on a local stack wait most of their time. In the order of the folders,
# so that the slow stories start early and the quick unit tests fill the end. With bytecode: without it each process
# compiles all test modules anew.
test: export PYTHONDONTWRITEBYTECODE :=
test: setup ## run all tests
	$(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

simulate: setup ## simulate 10,000 schedules, every pair of faults and 100,000 signups in an hour
	@$(BIN)/python -m tests.simulation.run

storm: setup ## simulate the deployed limits up to 1,000 signups a second and ten million users
	@$(BIN)/python -m tests.storm.run $(OPTIONS)

mutate: setup ## test the tests: of 100 errors in the shipped code they may miss three
	@$(BIN)/python -m tests.mutation.run

bench: setup ## measure the trigger and the worker beside a minimal handler; signups, redrive and backfill on a local stack
	@missed=0; for script in tests/bench/bench_*.py; do \
		echo "== $$(basename $$script .py)"; $(BIN)/python -m tests.bench.$$(basename $$script .py) || missed=1; \
	done; exit $$missed

verify: setup ## verify a deployed stack with synthetic users: STACK=name [OPTIONS="--patience 300 --json"]
	@$(BIN)/onramp verify --yes $(if $(STACK),--stack "$(STACK)") $(OPTIONS)

check: setup ## run lint, type, template and security checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup ## compile pyproject's dependency groups to requirements/*.txt
	BIN=$(BIN) sh scripts/lock.sh

include scripts/build.mk
include scripts/security.mk

clean: ## remove all generated files
	rm -rf $(VENV) .tools .build .aws-sam .onramp .pytest_cache .mypy_cache .ruff_cache
