# `make` lists the targets. Each makes what it needs; nothing is installed outside this folder.

VENV := .venv
PY   := $(VENV)/bin/python
CHECKOV := .venv-checkov
OWN_SANDBOXES := $(addprefix tests/e2e/test_,existing_stages.py mapping.py migration.py)

.DEFAULT_GOAL := help
.PHONY: help demo test fmt lint unit hcl plan monitoring e2e stages checkov chaos chaos-ci bench sandbox docs requirements clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/ready ## Apply both examples on the sandbox and watch real calls being authorized and billed (KEEP=1 leaves it running)
	@PYTHONPATH=tests $(PY) -m demo

test: lint unit sandbox hcl ## Everything that CI runs; the longest parts side by side
	@$(MAKE) --no-print-directory --jobs 3 --output-sync=target e2e plan stages chaos-ci monitoring checkov
	@echo "make test: lint, unit, sandbox, hcl, plan, monitoring, e2e, stages, chaos and checkov passed"

fmt: $(VENV)/ready ## Format the HCL and the Python
	terraform fmt -recursive
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

lint: $(VENV)/ready ## Check format, types and style
	terraform fmt -check -recursive -diff
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

unit: $(VENV)/ready ## The functions, without network
	$(PY) -m pytest tests/unit

sandbox: $(VENV)/ready ## The sandbox itself
	$(PY) -m pytest tests/sandbox_tests

hcl: $(VENV)/ready ## What the HCL promises, read with python-hcl2
	$(PY) -m pytest tests/hcl

plan: $(VENV)/ready ## Plans by the real provider, and every validation broken once
	$(PY) -m pytest tests/plan

monitoring: $(VENV)/ready ## The dashboard and each alarm over days of simulated traffic and faults, and the runbook on the sandbox
	$(PY) -m pytest tests/monitoring

e2e: $(VENV)/ready ## The examples, applied on the sandbox and called
	$(PY) -m pytest tests/e2e $(addprefix --ignore ,$(OWN_SANDBOXES))

stages: $(VENV)/ready ## Stages and log groups that are owned elsewhere, taken over and given back, on sandboxes of their own
	$(PY) -m pytest $(OWN_SANDBOXES)

checkov: $(CHECKOV)/ready ## What checkov says of modules and examples; what is skipped says why, beside the resource
	$(CHECKOV)/bin/checkov --directory . --framework terraform --compact --quiet --skip-download --skip-path tests

docs: $(VENV)/ready ## Write the READMEs' tables from the HCL
	PYTHONPATH=tests $(PY) -m hcl.tables

chaos: $(VENV)/ready ## The metering function under random faults, to the last record: SEED=7 EVENTS=20000
	PYTHONPATH=tests $(PY) -m chaos --seed $(or $(SEED),1) --events $(or $(EVENTS),20000)

chaos-ci: $(VENV)/ready ## The chaos runs of CI, and proof that they can fail
	$(PY) -m pytest tests/chaos

bench: $(VENV)/ready ## What the functions take, beside other ways to write them; fails where a target is missed
	@PYTHONPATH=tests $(PY) -m bench

requirements: ## Pin anew what requirements.in names
	rm -rf $(VENV)
	$$(tests/find-python) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --requirement requirements.in
	(echo "# Made from requirements.in by \`make requirements\`."; $(VENV)/bin/pip freeze) > requirements.txt
	rm -rf $(CHECKOV)
	$$(tests/find-python) -m venv $(CHECKOV)
	$(CHECKOV)/bin/pip install --quiet checkov
	(echo "# Made by \`make requirements\`: checkov and what it brings, apart from the tests' own."; $(CHECKOV)/bin/pip freeze) > requirements-checkov.txt

clean: ## Remove the virtual environment and everything built
	rm -rf modules/*/.build examples/*/.build tests/e2e/terraform/*/.terraform* tests/e2e/terraform/*/tf_resources.json $(VENV) $(CHECKOV) .mypy_cache .pytest_cache .ruff_cache .hypothesis bench.json
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/ready: requirements.txt tests/find-python
	@python=$$(tests/find-python) && echo "Virtual environment $(VENV) with $$($$python --version) ($$python)" && rm -rf $(VENV) && $$python -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@

$(CHECKOV)/ready: requirements-checkov.txt tests/find-python
	@rm -rf $(CHECKOV) && $$(tests/find-python) -m venv $(CHECKOV)
	@$(CHECKOV)/bin/pip install --quiet --disable-pip-version-check --requirement requirements-checkov.txt
	@touch $@
