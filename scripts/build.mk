# Build, deployment and template checks.
.PHONY: build build-PostConfirmationFunction build-EnrichProfileFunction build-HealSignupFunction \
	build-ReconcileFunction check-template check-extra sam deploy delete

# The target, as in the template's parameters. ARCHITECTURE=host builds for the Python of this machine.
ARCHITECTURE ?= arm64
RUNTIME ?= python3.13
ENV ?= default

FUNCTIONS := PostConfirmationFunction EnrichProfileFunction HealSignupFunction ReconcileFunction
SAM := .tools/sam/bin/sam
TRANSLATED := .build/translated.json

build: $(FUNCTIONS:%=build-%) ## build one zip per function in .build, for arm64, without Docker

# `sam build` calls these targets too (BuildMethod: makefile), with the output folder in ARTIFACTS_DIR.
build-PostConfirmationFunction: setup
	@$(call artifact,post_confirmation,PostConfirmationFunction)

build-EnrichProfileFunction: setup
	@$(call artifact,enrich_profile,EnrichProfileFunction)

build-HealSignupFunction: setup
	@$(call artifact,heal_signup,HealSignupFunction)

build-ReconcileFunction: setup
	@$(call artifact,reconcile,ReconcileFunction)

artifact = $(BIN)/python scripts/build.py $(1) --architecture $(ARCHITECTURE) --runtime $(RUNTIME) \
	$(if $(ARTIFACTS_DIR),"$(ARTIFACTS_DIR)",.build/$(2) --zip .build/$(2).zip)

# Not in a .cfnlintrc: `sam validate --lint` would read it too, and its environment does not have these rules.
LINT = $(BIN)/cfn-lint --append-rules cfn_lint_serverless.rules --include-checks I

check: check-template

check-template: setup
	$(LINT) -- template.yaml
	@mkdir -p $(dir $(TRANSLATED))
	$(BIN)/python scripts/translated.py > $(TRANSLATED)
	@# ES1001 wants a failure destination on every event source. Here the source is a queue with a DLQ.
	@# ES1007, ES4000: see ReconcileFunction in the template. SAM copies no metadata to the rule of its schedule.
	$(LINT) --ignore-checks ES1001 ES1007 ES4000 -- $(TRANSLATED)

sam: $(SAM) ## install the SAM CLI into its own environment

$(SAM): requirements/sam.txt | setup
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .tools/sam
	@$(BIN)/uv pip install --quiet --python .tools/sam/bin/python --require-hashes --requirement requirements/sam.txt
	@touch $@

check-extra: sam ## checks that need the SAM CLI: `sam validate`, and that `sam build` makes the same zips
	$(SAM) validate --lint
	$(BIN)/pytest --quiet tests/infrastructure/test_build.py

# Literal values: make does not expand them, and the shell of the recipe reads them from its environment. Else
# PARAMETERS='TrustedIdentityProviders=A$(...)', which the name of an identity provider can contain, would run a command.
override STACK := $(value STACK)
override ENV := $(value ENV)
override PARAMETERS := $(value PARAMETERS)
export STACK ENV PARAMETERS
deploy: setup sam ## build and deploy: STACK=name [ENV=default|dev|prod] [PARAMETERS="Name=value ..."]
	@$(BIN)/python scripts/deploy.py --sam $(SAM) --stack "$$STACK" --environment "$$ENV" --parameters "$$PARAMETERS"

# Not `sam delete`: it would leave the user pools with a trigger that does not exist.
delete: setup ## detach the user pools, then delete the stack: STACK=name [YES=1]
	@$(BIN)/python scripts/delete.py --onramp $(BIN)/onramp --stack "$$STACK" $(if $(YES),--yes)
