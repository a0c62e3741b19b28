# `make help` lists the targets. Everything is fetched and built once, into a cache outside the checkout (docs/development.md).

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# The first interpreter that is new enough; `make PYTHON=/path/to/python3` chooses another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
NO_PYTHON = $(if $(PYTHON),$(PYTHON) does not run or is older than Python 3.11: name another with make PYTHON=/path/to/python3,Python \
	3.11 or newer is needed; install it (package python3 or python3.12), or say make PYTHON=/path/to/python3)
PY := PYTHONPATH=hack .venv/bin/python
STATE ?= .cluster

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: environment
environment: .venv/.synced ## Make or refresh .venv from the locks
	@:

ifneq ($(origin PYTHON),file)
.venv/.synced: FORCE
endif
.PHONY: FORCE
FORCE:

.venv/.synced: requirements.lock requirements-dev.lock pyproject.toml
	@"$(or $(PYTHON),python3)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "error: $(NO_PYTHON)" >&2; \
		exit 1; }
	@PYTHONPATH=hack "$(PYTHON)" -m localstack.environment $(if $(filter-out file,$(origin PYTHON)),--exactly)

.PHONY: tools
tools: environment ## Build kube-apiserver, kubectl and etcd into the cache
	@$(PY) -m localstack tools

.PHONY: test-tools
test-tools: environment ## Build what the tests need besides: Helm, Prometheus, Alertmanager
	@$(PY) -m localstack tools --tests

.PHONY: cluster
cluster: environment ## Start an API server and a Postgres, kept in .cluster/
	@$(PY) -m localstack up --state-dir $(STATE)

.PHONY: cluster-down
cluster-down: environment ## Stop them; their data stays
	@$(PY) -m localstack down --state-dir $(STATE)

.PHONY: demo
demo: environment ## Show everything at work (DEMO_EXIT=1 checks and ends, DEMO_PAUSE=1 leaves the parts running)
	@$(PY) -m demo

.PHONY: demo-down
demo-down: environment ## End what DEMO_PAUSE=1 left running
	@$(PY) -m demo down

.PHONY: kind
kind: environment ## The demo's world in a kind cluster: needs a container engine and kind (untested where there is none)
	@$(PY) -m kind up

.PHONY: kind-down
kind-down: environment ## Remove that cluster
	@$(PY) -m kind down

BENCH := PYTHONPATH=bench:hack .venv/bin/python -m benches
BENCH_ARGS = $(if $(QUICK),--quick) $(if $(MINUTES),--minutes $(MINUTES))

.PHONY: bench
bench: tools ## Run the four benches (about 20 min); QUICK=1 is a small size, MINUTES= shortens bench-idle
	@$(BENCH) all $(BENCH_ARGS)

.PHONY: bench-quota
bench-quota: tools ## How much of Graph's quota is used when a whole fleet is due
	@$(BENCH) quota $(BENCH_ARGS)

.PHONY: bench-compare
bench-compare: tools ## The same work by this operator, by a plain Kopf operator, and by a loop over the rows
	@$(BENCH) compare $(BENCH_ARGS)

.PHONY: bench-idle
bench-idle: tools ## What waiting costs
	@$(BENCH) idle $(BENCH_ARGS)

.PHONY: bench-receiver
bench-receiver: tools ## How soon Graph has its answer at 500 notifications a second
	@$(BENCH) receiver $(BENCH_ARGS)

.PHONY: bench-publish
bench-publish: environment ## Take what the last full runs found into docs/benchmarks.md and its picture
	@$(BENCH) publish

.PHONY: chaos
chaos: tools ## Kill the operator at every call that leaves its process (about 30 min); QUICK=1 at some of them, ONLY=renew in one deed
	@PYTHONPATH=tests:hack .venv/bin/python -m chaos $(if $(QUICK),--quick) $(if $(ONLY),--only '$(ONLY)')

SOAK := PYTHONPATH=.:bench:hack .venv/bin/python -m soak

.PHONY: soak
soak: tools ## A simulated month full of trouble (about 30 min); QUICK=1 is a short form of four minutes
	@$(SOAK) $(if $(QUICK),--quick)

.PHONY: soak-delivery
soak-delivery: tools ## A simulated month in which subscriptions die silently (about 50 min); QUICK=1 is a short form of four minutes
	@$(SOAK) --delivery --state-dir .soak/delivery $(if $(QUICK),--quick)

# Most tests wait for something most of the time, so that more of them than cores run at once. Each file keeps to one worker.
WORKERS ?= 4

.PHONY: test
test: test-tools ## Run all tests, on a real API server and a real Postgres (ARGS= goes to pytest, WORKERS= run at once)
	@.venv/bin/python -m pytest tests -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: lint
lint: environment ## Check style, types and the layers
	@.venv/bin/ruff check operator hack bench soak tests
	@.venv/bin/ruff format --check operator hack bench soak tests
	@MYPYPATH=operator:hack:bench .venv/bin/mypy --strict operator hack bench soak
	@.venv/bin/lint-imports

.PHONY: crds
crds: environment ## Generate crds/ from the typed models, and the chart's copy of it
	@$(PY) -m graphmail.resource.crd crds/graphmailsubscriptions.yaml
	@$(PY) -m chart --only-generate

.PHONY: chart
chart: crds ## Generate what is generated of the Helm chart, lint it, and pack it into dist/
	@$(PY) -m chart

.PHONY: dashboard
dashboard: environment ## Generate the dashboard for Grafana
	@$(PY) -m dashboard helm/graphmail-operator/dashboards/graphmail.json

.PHONY: lock
lock: ## Resolve the locks anew (UPGRADE=1 takes the newest versions)
	@PYTHONPATH=hack "$(PYTHON)" -m localstack.environment --lock $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: $(if $(wildcard .demo .cluster $(STATE)),environment) ## Stop what runs and remove all that was made in the checkout; the cache stays
	@if [ -d .demo ]; then DEMO_STATE=.demo $(PY) -m demo down; fi
	@if [ -d $(STATE) ]; then $(PY) -m localstack down --delete --state-dir $(STATE); fi
	@if [ -e .cluster/kind/kubeconfig ]; then $(PY) -m kind down; fi
	@rm -rf .venv .cluster .demo .bench .chaos .soak dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
