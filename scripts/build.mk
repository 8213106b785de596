# Building and deploying, and the template's own checks.
.PHONY: build build-PostConfirmationFunction build-EnrichProfileFunction build-ReconcileFunction \
	check-template check-extra sam deploy

# The target; the same as the template's parameters. ARCHITECTURE=host builds for this machine's Python.
ARCHITECTURE ?= arm64
RUNTIME ?= python3.13
ENV ?= default

FUNCTIONS := PostConfirmationFunction EnrichProfileFunction ReconcileFunction
SAM := .tools/sam/bin/sam
TRANSLATED := .build/translated.json

build: $(FUNCTIONS:%=build-%) ## make one zip per function in .build, for arm64 without Docker

# `sam build` calls these too (BuildMethod: makefile) and says in ARTIFACTS_DIR where it wants the files.
build-PostConfirmationFunction: setup
	@$(call artifact,post_confirmation,PostConfirmationFunction)

build-EnrichProfileFunction: setup
	@$(call artifact,enrich_profile,EnrichProfileFunction)

build-ReconcileFunction: setup
	@$(call artifact,reconcile,ReconcileFunction)

artifact = $(BIN)/python scripts/build.py $(1) --architecture $(ARCHITECTURE) --runtime $(RUNTIME) \
	$(if $(ARTIFACTS_DIR),"$(ARTIFACTS_DIR)",.build/$(2) --zip .build/$(2).zip)

# Here and not in a .cfnlintrc, which `sam validate --lint` would read too, in an environment without these rules.
LINT = $(BIN)/cfn-lint --append-rules cfn_lint_serverless.rules --include-checks I

check: check-template

check-template: setup
	$(LINT) -- template.yaml
	@mkdir -p $(dir $(TRANSLATED))
	$(BIN)/python scripts/translated.py > $(TRANSLATED)
	@# ES1001 wants a failure destination on every event source; one that reads a queue has the queue's own DLQ.
	@# ES1007, ES4000: as on ReconcileFunction in the template; SAM gives its schedule's rule no metadata.
	$(LINT) --ignore-checks ES1001 ES1007 ES4000 -- $(TRANSLATED)

sam: $(SAM) ## install the SAM CLI into an environment of its own

$(SAM): requirements/sam.txt | setup
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .tools/sam
	@$(BIN)/uv pip install --quiet --python .tools/sam/bin/python --require-hashes --requirement requirements/sam.txt
	@touch $@

check-extra: sam ## what `make check` leaves out, for it needs the SAM CLI: its validation, and that its build is ours
	$(SAM) validate --lint
	$(BIN)/pytest --quiet tests/infrastructure/test_build.py

deploy: setup sam ## build and deploy: STACK=name [ENV=default|dev|prod] [PARAMETERS="Name=value ..."]
	@$(BIN)/python scripts/deploy.py --sam $(SAM) --stack "$(STACK)" --environment $(ENV) -- $(PARAMETERS)
