# The only commands to remember. A Python of 3.11 or newer is all that they need.

PORT ?= 8000
export PORT

find_python = for each in python3.13 python3.12 python3.11 python3; do \
	"$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$$each"; break; }; done
ifndef PYTHON
PYTHON := $(shell $(find_python))
endif
ifeq ($(strip $(PYTHON)),)
$(error Tollgate needs Python 3.11 or newer: install one (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python) and run make again)
endif

BIN := .venv/bin
SAM := .local/sam/bin/sam
ZAE_LIMITER := .local/zae_limiter/installed
STRIPE_MOCK := .local/bin/stripe-mock
TEMPLATE_CHECK := $(BIN)/python -m tests.deployment.check_template
export PYTHONPATH := layers/common:.

.PHONY: run test check journey faults storm contract-stripe cases screenshots bench bench-admission bench-reset lock build deploy stripe-setup setup clean

run: ## start everything on http://localhost:$(PORT); Ctrl-C stops it
	@exec $(PYTHON) -m local.launch run

test: setup ## unit, integration, journeys and deployment, on ports and data of their own
	@$(BIN)/python -m tests.browser
	$(BIN)/python -m pytest -n 4 --dist loadfile $(ARGS)

check: setup ## style, types, architecture, template
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(TEMPLATE_CHECK)

journey: setup ## a person's whole way, over HTTP, against a running stack or one of its own
	@$(BIN)/python -m tests.journeys.journey

faults: setup ## random histories under injected faults, and mutants of every condition they send
	@$(BIN)/python -m tests.faults.run

cases: setup ## docs/cases.md: every case's test fails without what handles the case
	@$(BIN)/python -m tests.cases.run $(ARGS)

storm: setup ## Stripe's events shuffled, repeated, lost, and killed at every call: what is right stands
	@$(BIN)/python -m tests.storm.run $(ARGS)

contract-stripe: setup ## every Stripe call in the code, sent and held against Stripe's specification
	@test -x $(STRIPE_MOCK) || ! command -v go >/dev/null || \
		GOBIN="$(CURDIR)/$(dir $(STRIPE_MOCK))" go install github.com/stripe/stripe-mock@v0.203.0 || \
		echo "stripe-mock could not be installed: the SDK's types judge alone."
	@$(BIN)/python -m tests.contract.run $(ARGS)

screenshots: setup ## the Studio's pictures in docs/
	@$(BIN)/python -m tests.journeys.screenshots

bench: $(ZAE_LIMITER) ## each figure that the README claims, one JSON line each
	@for each in cold_start first_delta admission reset; do $(BIN)/python -m bench.$$each || exit 1; done

bench-admission: $(ZAE_LIMITER) ## what an admission costs, beside the usual ways to do it
	@$(BIN)/python -m bench.admission

bench-reset: setup ## what the monthly reset costs with 50,000 and 200,000 gates, of which 2 % are due
	@$(BIN)/python -m bench.reset

lock: setup ## every lock from its .in file
	for each in requirements local/locks/ministack local/locks/sam local/locks/zae_limiter; do \
		$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-header --quiet $$each.in -o $$each.txt || exit 1; done
	$(MAKE) lock-deployed

$(SAM): local/locks/sam.txt | setup
	$(PYTHON) -m venv .local/sam
	$(BIN)/uv pip sync --quiet --python .local/sam/bin/python --require-hashes local/locks/sam.txt
	@touch $@

$(ZAE_LIMITER): local/locks/zae_limiter.txt | setup
	$(PYTHON) -m venv .local/zae_limiter
	$(BIN)/uv pip sync --quiet --python .local/zae_limiter/bin/python --require-hashes local/locks/zae_limiter.txt
	@touch $@

build: $(SAM) ## what is deployed, in .aws-sam/
	$(SAM) build

deploy: build ## ENV=preview, staging or production, as in samconfig.toml
	$(SAM) deploy --config-env $(or $(ENV),preview)

stripe-setup: setup ## STRIPE_SECRET_KEY and PUBLIC_URL: products, prices, portal and webhook; ARGS=--dry-run
	@ENV=$(ENV) $(BIN)/python -m local.stripe_setup $(ARGS)

setup:
	@$(PYTHON) -m local.launch setup

clean: ## forget everything that the laptop's stack has kept
	rm -rf .local

include build.mk
