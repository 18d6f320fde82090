# Everything a person or a CI job runs here. `make help` lists the commands.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first interpreter on the PATH that is new enough; PYTHON=... overrides.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK_TOOL := uv==0.13.9
WORKERS ?= 4
# Containers that are tried at a time.
HOSTS ?= 2
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE = uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-strip-extras --custom-compile-command 'make lock' --quiet $(UPGRADE)

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/\1\t\2/p' Makefile | \
		while IFS=$$'\t' read -r name what; do printf '  make %-15s %s\n' "$$name" "$$what"; done

.PHONY: setup
setup: $(STAMP) ## Create .venv from the locked dependencies (at once when nothing changed)

$(STAMP): requirements/dev.txt pyproject.toml
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' || \
		{ echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3 ...' >&2; exit 1; }
	@# A half-made environment, or one whose interpreter has gone, is made anew.
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV)
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

.PHONY: demo
demo: setup ## Show six nights on real parts (needs npm)
	$(BIN)/python -m fakes.demo

.PHONY: fleet-demo
fleet-demo: setup ## Show five nights of three hosts in one fleet (needs npm; root installs etcd-server)
	tests/fleet/install-etcd
	$(BIN)/python -m fakes.fleetdemo

.PHONY: docs
docs: setup ## Write what is made from the code (docs/states.md, configuration.md, t3.md, man)
	$(BIN)/python -m documents

.PHONY: site
site: setup ## Build the documents as a site, into build/site
	$(BIN)/mkdocs build --quiet

.PHONY: dist
dist: setup ## Build wheel and sdist into dist (needs no network)
	$(BIN)/python -m hatchling build -d dist -t sdist -t wheel

# Each test module is compiled once, not by every worker of every target: 8 s of a processor each.
unexport PYTHONDONTWRITEBYTECODE

PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
# What `test` runs nothing of: each worker would import all of it to leave it out.
ASIDE := $(addprefix --ignore=tests/,browser crashes e2e faults fleet packaging)

.PHONY: test
test: setup ## Run the suite, but for what `long`, `nights`, `crashes`, `fleet-test` and `e2e` run
	$(PYTEST) $(ASIDE) -m 'not long'

.PHONY: long
long: setup ## Try the models from end to end, wrong cores, the report and the packages
	$(PYTEST) --ignore=tests/crashes --ignore=tests/e2e -m long

.PHONY: nights
nights: setup ## Run whole hosts below one folder, with the real command line (needs npm)
	$(PYTEST) tests/e2e -m nights

.PHONY: crashes
crashes: setup ## Kill the real command line on such hosts, at some places (`kills` does at all)
	$(PYTEST) tests/crashes

.PHONY: fleet-test
fleet-test: setup ## Run the fleet on real etcds, of one and three nodes (root installs etcd-server)
	tests/fleet/install-etcd
	$(PYTEST) tests/fleet

.PHONY: fleet-sim
fleet-sim: setup ## Let a build go through fleets of up to 500 hosts, in virtual time
	$(BIN)/python -m fakes.fleetsim

.PHONY: e2e
e2e: setup ## Run the suite on a real host in a container (needs root, or DOCKER_HOST)
	docker/engine start
	eval "$$(docker/engine environment)"; trap 'docker/engine stop' EXIT; \
	PYTHON=$(BIN)/python docker/build; \
	$(BIN)/python -m pytest -n $(HOSTS) --dist worksteal tests/e2e/realhost --timeout 300

BOUND ?= whole
JOBS ?= 2

.PHONY: faults
faults: setup ## Explore every fault at every step (BOUND=short for the bound of CI)
	$(BIN)/python -m fakes.explorer --bound $(BOUND) --jobs $(JOBS)

.PHONY: schedules
schedules: setup ## Draw schedules of any number of faults at random
	T3SAFE_SCHEDULES=20000 HYPOTHESIS_PROFILE=dev $(BIN)/python -m pytest --timeout=0 \
		tests/faults/test_schedules.py

.PHONY: bench
bench: setup ## Measure beside the script before and beside what nothing can beat (BENCH=...)
	docker/engine start
	eval "$$(docker/engine environment)"; trap 'docker/engine stop' EXIT; \
	PYTHON=$(BIN)/python docker/build; \
	$(BIN)/python -m tests.bench --json build/bench.json $(BENCH)

.PHONY: profile
profile: setup ## Draw where the time goes, from real runs, into docs (BENCH="--script FILE")
	docker/engine start
	eval "$$(docker/engine environment)"; trap 'docker/engine stop' EXIT; \
	PYTHON=$(BIN)/python docker/build; \
	$(BIN)/python -m tests.bench.profiles $(BENCH) docs

.PHONY: bench-simulate
bench-simulate: setup ## Measure how the simulation's cost grows with nights and people
	$(BIN)/python -m tests.simulation.bench

.PHONY: screenshot
screenshot: setup ## Take the picture of the simulation's report again (needs Chromium)
	$(BIN)/python -m tests.browser.screenshot docs/simulation.png

.PHONY: picture
picture: setup ## Draw the picture of a run again, from a real one (needs npm)
	$(BIN)/python -m documents.picture docs/run.svg

.PHONY: kills
kills: setup ## Kill the real command line at every record and inside steps (long; root fills disks)
	$(BIN)/python -m fakes.kills $(KILLS)

.PHONY: mutants
mutants: setup ## See that the tests find out changes to the core (MODULES="domain.moves" for some)
	$(BIN)/python -m tests.mutation --jobs $(JOBS) $(MODULES)

.PHONY: lint
lint: setup ## Check style, format and the rules between folders
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

.PHONY: types
types: setup ## Check types, strictly, tests included
	$(BIN)/mypy

.PHONY: cover
cover: setup ## Prove that unit and property tests reach every branch of the domain
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests/unit tests/property \
		--deselect tests/unit/test_documents.py::test_the_states_are_those_of_the_code \
		--cov=t3safe.domain --cov-branch --cov-report=term-missing --cov-fail-under=100

.PHONY: check
check: lint types cover test long nights crashes fleet-test ## Run everything that must pass before a change lands

.PHONY: lock
lock: ## Resolve the dependencies again (UPGRADE=--upgrade takes newer ones)
	@tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	"$(PYTHON)" -m venv "$$tools"; \
	"$$tools/bin/python" -m pip --disable-pip-version-check --quiet install '$(LOCK_TOOL)'; \
	"$$tools/bin/"$(COMPILE) --output-file requirements/run.txt; \
	"$$tools/bin/"$(COMPILE) --extra dev --constraints requirements/run.txt \
		--output-file requirements/dev.txt

.PHONY: clean
clean: ## Remove the environment and everything that was derived
	rm -rf $(VENV) .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache build dist mutants
	find src fakes tests documents -type d -name __pycache__ -prune -exec rm -rf {} +
