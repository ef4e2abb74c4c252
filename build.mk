# What `sam build` calls, one target per function and layer (template.yaml: BuildMethod makefile), and
# the locks of what is deployed. Packages suit the runtime, not this machine: CPython 3.13 on arm64 Linux.

UV ?= $(firstword $(wildcard .venv/bin/uv) uv)
PYTHON_3_13 ?= python3.13
TARGET := --python-version 3.13 --python-platform aarch64-manylinux_2_34 --only-binary :all:

FUNCTIONS := build-OauthCallback build-Checkout build-Webhook build-GenerateStream build-Account build-Studio build-MonthlyReset build-Reconcile build-CountSpend build-SendNotices build-ReportUsage
build-OauthCallback: PART = oauth_callback
build-Checkout: PART = checkout
build-Webhook: PART = webhook
build-GenerateStream: PART = generate_stream
build-Account: PART = account
build-Studio: PART = studio
build-MonthlyReset: PART = monthly_reset
build-Reconcile: PART = reconcile
build-CountSpend: PART = count_spend
build-SendNotices: PART = send_notices
build-ReportUsage: PART = report_usage

.PHONY: $(FUNCTIONS) build-Common build-Models lock-deployed

# A function keeps its module path: functions.<name>.main, here and in the cloud.
$(FUNCTIONS):
	mkdir -p "$(ARTIFACTS_DIR)/functions"
	cp functions/__init__.py "$(ARTIFACTS_DIR)/functions/"
	cp -R functions/$(PART) "$(ARTIFACTS_DIR)/functions/"
	$(call install,functions/$(PART),$(ARTIFACTS_DIR))
	$(call finish,$(ARTIFACTS_DIR),/var/task)

build-Common:
	mkdir -p "$(ARTIFACTS_DIR)/python"
	cp -R layers/common/tollgate "$(ARTIFACTS_DIR)/python/"
	cp plans.toml "$(ARTIFACTS_DIR)/python/tollgate/"
	$(call install,layers/common,$(ARTIFACTS_DIR)/python)
	$(call finish,$(ARTIFACTS_DIR),/opt)

build-Models:
	$(call install,layers/models,$(ARTIFACTS_DIR)/python)
	$(call finish,$(ARTIFACTS_DIR),/opt)

# $(1) has the lock, $(2) receives the packages. Not every function has packages of its own.
install = test ! -f $(1)/requirements.txt || $(UV) pip install --quiet $(TARGET) --no-deps --require-hashes \
	--target "$(2)" -r $(1)/requirements.txt && rm -rf "$(2)/bin"

# Zips lose the files' times, so bytecode is trusted without a look at its source, and only the runtime's
# own Python can make it. $(2) is where the runtime finds $(1): what tracebacks show.
define finish
	find "$(1)" -type d \( -name __pycache__ -o -name tests \) -prune -exec rm -rf {} +
	find "$(1)" -type f \( -name 'requirements.*' -o -name .lock \) -exec rm -f {} +
	@if $(PYTHON_3_13) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then \
		$(PYTHON_3_13) -m compileall -q --invalidation-mode unchecked-hash -s "$(1)" -p $(2) "$(1)"; \
	else echo "No Python 3.13 here (PYTHON_3_13 names one): no bytecode, cold starts will be slower."; fi
endef

# Versions come from the developer's lock; what the common layer carries is left out of the others.
DEPLOYED := layers/models functions/account functions/checkout functions/generate_stream functions/oauth_callback functions/reconcile functions/report_usage functions/webhook
PIN = $(UV) pip compile --quiet $(TARGET) --generate-hashes --no-emit-index-url --no-header -c requirements.txt

lock-deployed: ## each deployed part's lock, after `make lock`
	$(PIN) layers/common/requirements.in -o layers/common/requirements.txt
	$(foreach each,$(DEPLOYED),$(PIN) --excludes layers/common/requirements.txt $(each)/requirements.in -o $(each)/requirements.txt &&) true
