# Building and deploying. `sam build` calls the same build-<LogicalId> targets (BuildMethod: makefile in template.yaml).
.PHONY: build build-PostConfirmationFunction build-EnrichProfileFunction check-template sam deploy

export ARCHITECTURE ?= arm64
export RUNTIME ?= python3.13
FUNCTIONS := PostConfirmationFunction EnrichProfileFunction
SAM := .tools/sam/bin/sam
ENV ?= default

build: $(FUNCTIONS:%=build-%) ## make one zip per function in .build, for arm64 without Docker

# ARTIFACTS_DIR is where `sam build` wants the files; without it they go to .build and are zipped.
build-PostConfirmationFunction: setup
	@$(BIN)/python scripts/build.py post_confirmation $(call artifact,PostConfirmationFunction)

build-EnrichProfileFunction: setup
	@$(BIN)/python scripts/build.py enrich_profile $(call artifact,EnrichProfileFunction)

artifact = $(if $(ARTIFACTS_DIR),"$(ARTIFACTS_DIR)",.build/$(1) --zip .build/$(1).zip)

sam: $(SAM) ## install the SAM CLI into an environment of its own

$(SAM): requirements/sam.txt | setup
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .tools/sam
	@$(BIN)/uv pip install --quiet --python .tools/sam/bin/python --require-hashes --requirement requirements/sam.txt
	@touch $@

deploy: setup sam ## build and deploy: STACK=name [ENV=default|dev|prod] [PARAMETERS="Name=value ..."]
	@$(BIN)/python scripts/deploy.py --sam $(SAM) --stack "$(STACK)" --environment $(ENV) -- $(PARAMETERS)
