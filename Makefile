# The one command surface; CI runs the same targets. `make help` lists them.

PYTHON ?= python3
VENV := .venv/bin
SAM := .local/sam-venv/bin/sam
REGION := $(VENV)/python -m local.region
STAGE ?= staging

export SAM_CLI_TELEMETRY := 0

# With ARGS a suite may have nothing to run, which pytest calls a failure (5).
run_tests = $(2) $(VENV)/pytest $(1) $(ARGS) || { code=$$?; [ -n "$(ARGS)" ] && [ $$code -eq 5 ]; }

.DEFAULT_GOAL := help
.PHONY: help run stop status setup clients clean test test-region test-demo test-here test-unit test-template crash lint \
	format type bench build validate deploy lock

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

# ---------------------------------------------------------------- on this machine

run: setup ## Bring Parley up here and print a sign-in link; DETACH=1 leaves it running. See docs/local-development.md
	@$(REGION) up $(if $(DETACH),--detach)

stop: ## Stop it; data stay
	@if [ -x $(VENV)/python ]; then $(REGION) down; else echo "Parley isn't running."; fi

status: setup ## Say whether it runs, and where
	@$(REGION) status

setup: ## Install what running needs, from the lock files
	@$(PYTHON) local/environments.py dev region sam

clean: stop ## Stop it and forget its data and everything that was installed or built
	rm -rf .local .venv .aws-sam .pytest_cache .mypy_cache .ruff_cache .import_linter_cache tests/clients/node_modules

# ---------------------------------------------------------------- checks

# Much of a test on a region is waiting for the tick of the minute: the others run meanwhile, and give way.
test: setup clients ## Run every test, three suites side by side; each reports when it is done
	@echo "Three suites run side by side; each reports when it is done. It takes a quarter of an hour on two cores."
	@$(MAKE) --no-print-directory --jobs 3 --output-sync=target test-region test-demo test-here

test-region: setup clients ## Run the tests with the official clients, of the template, and of its deployment
	$(call run_tests,tests --ignore tests/unit --ignore tests/crash --ignore tests/browser -m "not demo")

test-demo: setup ## Run the tests of the deployment with the demo model: in a browser and through chat
	$(call run_tests,tests/browser tests/e2e -m demo)

test-here: setup ## Run the tests that need nothing but Python (and Node, if it is there)
	@if command -v node >/dev/null; then node --test --test-reporter=dot tests/clients/*.test.mjs; fi
	$(call run_tests,tests/unit tests/crash --numprocesses 2,nice)

crash: ## Strike every call to AWS of every scripted turn, and of others, by every kind of fault (make test takes a sample)
	@$(PYTHON) local/environments.py dev
	PARLEY_CRASH_EVERY=1 $(VENV)/pytest tests/crash --numprocesses 2 $(ARGS)

test-unit: ## Run the tests that need nothing but Python
	@$(PYTHON) local/environments.py dev
	$(VENV)/pytest tests/unit --numprocesses 2 $(ARGS)

test-template: setup ## Run the tests of the template and of what is built from it
	$(VENV)/pytest tests/template $(ARGS)

clients: ## Install the official npm clients, which tests drive
	@if command -v npm >/dev/null; then \
		cd tests/clients && wanted=$$(cksum < package-lock.json) && \
		if [ "$$(cat node_modules/parley-stamp 2>/dev/null)" != "$$wanted" ]; then \
			echo "Installing tests/clients/package-lock.json ..." && \
			npm ci --no-audit --no-fund --loglevel=error && echo "$$wanted" > node_modules/parley-stamp; \
		fi; \
	else echo "npm is not here, so the tests with the official clients can't run."; fi

lint: ## Check style and the direction of imports
	@$(PYTHON) local/environments.py dev
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	PYTHONPATH=src $(VENV)/lint-imports

format: ## Format the code
	@$(PYTHON) local/environments.py dev
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .

type: ## Check types
	@$(PYTHON) local/environments.py dev
	$(VENV)/mypy

bench: ## Measure what the design promises
	@$(PYTHON) local/environments.py dev
	PYTHONPATH=src $(VENV)/python -m bench.turn_cost
	PYTHONPATH=src $(VENV)/python -m bench.session_age
	PYTHONPATH=src $(VENV)/python -m bench.run_cost
	PYTHONPATH=src $(VENV)/python -m bench.due_schedules

# ---------------------------------------------------------------- AWS

build: setup ## Build for AWS: python3.13 on arm64
	@env -u PARLEY_BUILD PARLEY_PYTHON=$(abspath $(VENV)/python) $(SAM) build

validate: setup ## Check the template
	@AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-us-east-1} $(SAM) validate --lint

deploy: validate build ## Deploy to AWS with your credentials: make deploy STAGE=staging|production
	@case "$(STAGE)" in staging|production) ;; *) echo "STAGE is staging or production."; exit 1;; esac
	$(SAM) deploy --config-env $(STAGE) $(ARGS)

lock: ## Resolve the requirements anew and write the lock files
	@$(PYTHON) -m venv .local/lock-venv && .local/lock-venv/bin/pip install --quiet --disable-pip-version-check uv
	@for name in requirements requirements-dev requirements-region requirements-sam; do \
		echo "$$name.lock" && .local/lock-venv/bin/uv pip compile $$name.in --output-file $$name.lock --quiet \
			--generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header $(UPGRADE) \
			$$([ $$name = requirements-dev ] && echo --constraint requirements.lock) || exit 1; \
	done
