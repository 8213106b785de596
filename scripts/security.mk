# The security checks of `make check`: template rules, secrets in the repository, known vulnerabilities.
# See also: ruff's S rules (pyproject.toml), cfn-lint with the serverless rules (build.mk), and docs/security.md.
.PHONY: check-checkov check-secrets audit

CHECKOV := .tools/checkov/bin
PIP_AUDIT := .tools/pip-audit/bin

check: check-checkov check-secrets audit

# On the template and on its translation: each has findings that the other does not. The reasons are in the template.
# CKV_AWS_384 (secrets in parameters) crashes on names from !Sub. The secrets scan reads the template too.
check-checkov: $(CHECKOV)/.installed check-template
	$(CHECKOV)/checkov --framework cloudformation --skip-download --skip-check CKV_AWS_384 --compact --quiet \
		-f template.yaml $(TRANSLATED)

check-secrets: $(CHECKOV)/.installed
	$(BIN)/python scripts/find_secrets.py $(CHECKOV)/detect-secrets

audit: $(PIP_AUDIT)/.installed ## look up the locked packages in the vulnerability database
	$(BIN)/python scripts/audit.py $(PIP_AUDIT)/pip-audit requirements/dev.txt

# A tool with conflicting pins has its own environment.
.tools/%/bin/.installed: requirements/%.txt | setup
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .tools/$*
	@$(BIN)/uv pip install --quiet --python .tools/$*/bin/python --require-hashes --requirement requirements/$*.txt
	@touch $@
