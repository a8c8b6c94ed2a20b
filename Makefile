# Start with `make up` and `make test`; `make` lists all targets.
SHELL := /bin/bash
BOOTSTRAP := python3 tools/bootstrap.py
# Puts the engine that the bootstrap chose first on PATH.
# `exec`: a signal to make's shell reaches the program itself.
PYTHON = eval "$$($(BOOTSTRAP) --print-env)" && exec .venv/bin/python
# Tests wait for processes or use one core. Files whose tests share servers stay in one process.
TWO_TESTS = --numprocesses 2 --dist worksteal
TWO_FILES = --numprocesses 2 --dist loadfile
# In the order of their `conftest.py`, the longest first, where the number of a file's tests says little about its time.
LONGEST_FIRST = $(TWO_FILES) --no-loadscope-reorder

ROUNDS := 10
SEED := 1

.DEFAULT_GOAL := help
.PHONY: help quick setup setup-dev up review check-update outputs site verify down status up-regions outputs-regions failover down-regions alerts rehearse lock test lint unit processes sandbox-tests database test-sip test-site engine bench drill reset clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:
	@$(BOOTSTRAP)

setup-dev:
	@$(BOOTSTRAP) --dev

up: setup ## deploy the edge to the local cloud and print its IP inventory
	@$(PYTHON) -m sandbox.stack up

review: ## what an update of that stack would change, as a pull request's report (Markdown)
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.stack review

check-update: ## whether the last update of that stack settled: a second preview must be empty
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.check_update

outputs: ## all outputs of that stack as one JSON object on standard output
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.stack outputs

site: ## write that stack's site for vendors and customers to build/site/
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.stack site

verify: ## check that stack from outside: names, SIP servers, certificates
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.stack verify

status: setup ## what is running
	@($(PYTHON) -m sandbox status) || true

down: setup ## destroy the edge and stop the sandbox
	@$(PYTHON) -m sandbox.stack down

up-regions: setup ## deploy two regions and their shared names to a separate local cloud
	@$(PYTHON) -m sandbox.regions up

outputs-regions: ## all outputs of those stacks as one JSON object, one key per stack
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.regions outputs

failover: ## on those stacks: a region fails, is drained and restored; which region callers reach, and how fast
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.failover

down-regions: setup ## destroy those stacks and stop their cloud
	@$(PYTHON) -m sandbox.regions down

alerts: setup-dev ## break a small edge in several ways and show which alerts a real Prometheus fires, and when they resolve
	@$(PYTHON) -m sandbox.alerts

rehearse: ## adopt a copy of the live edge in a separate sandbox; prints ipInventory as JSON
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.rehearsal

quick: setup-dev ## formatter, linter, types and unit tests in parallel: 2 to 3 minutes on two cores
	@$(MAKE) --no-print-directory -j 2 --output-sync=target lint unit

test: setup-dev lint unit processes sandbox-tests database test-sip test-site engine ## everything: linter, types and all tests

lock: setup-dev ## regenerate uv.lock and what is exported from it after a change of pyproject.toml
	@$(PYTHON) tools/python_lock.py --write

lint: setup-dev ## formatter, linter, strict types, imports, workflows, pins, the reloader's Dockerfile
	@echo "lint: formatter, linter, strict types, imports, workflows, pins, Dockerfile (2 minutes the first time: mypy reads the SDKs once; then seconds)"
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy .
	@$(PYTHON) .venv/bin/lint-imports --no-logo
	@python3 tools/actionlint.py
	@$(PYTHON) tools/python_lock.py
	@$(PYTHON) tools/pins.py
	@.venv/bin/hadolint kamailio/reloader/Dockerfile

unit: setup-dev ## unit tests of the program
	@echo "unit: the program on mocks (1 minute)"
	@$(PYTHON) -m pytest tests/unit $(TWO_TESTS)

processes: setup-dev ## tests that need real processes: signals, closed pipes, imports, the workflows' scripts
	@echo "processes: signals, closed pipes, imports, the workflows' scripts (1 minute)"
	@$(PYTHON) -m pytest tests/processes $(TWO_TESTS)

sandbox-tests: setup-dev ## tests of the local cloud and the sandbox: refusals, PostgreSQL, DNS
	@echo "sandbox: the local cloud's refusals, a real PostgreSQL and real DNS answers (3 minutes)"
	@$(PYTHON) -m pytest tests/local_cloud tests/sandbox $(TWO_FILES)

database: setup-dev ## the trunk ACL on real PostgreSQL servers, 15 to 18
	@echo "database: schema, migrator and rows on PostgreSQL 15 to 18 (8 minutes)"
	@$(PYTHON) -m pytest tests/database $(LONGEST_FIRST)

test-sip: setup-dev ## the trunk ACL in a real Kamailio, with real SIP traffic; certificates from a real CA
	@echo "sip: which sources are admitted, over UDP, TCP and TLS, and the effect of changes, crashes and outages; certificates from a real CA (4 to 6 minutes)"
	@$(PYTHON) -m pytest tests/sip

test-site: setup-dev ## the published site in a real Chromium
	@echo "site: the page, its feed and its copy buttons, in light and dark mode, by keyboard and on phones (1 minute)"
	@$(PYTHON) -m pytest tests/site

engine: setup-dev ## tests on the real engine
	@echo "engine: up, drift, drain, adoption, policies, reviews, trunks and crashes on the real engine, two files at once (20 minutes)"
	@$(PYTHON) -m pytest tests/engine $(LONGEST_FIRST)

bench: setup-dev ## all benchmarks, one JSON object per line
	@$(PYTHON) -m benchmarks

drill: setup ## kill ROUNDS updates at points drawn from SEED and check that the next update finishes them
	@$(PYTHON) -m sandbox.drill --rounds $(ROUNDS) --seed $(SEED)

reset: ## stop and remove all sandboxes with their stacks; keeps the engine and .venv
	@if [ -x .venv/bin/python ]; then .venv/bin/python -m sandbox.reset; fi
	@rm -rf .sandbox .sandbox-*

clean: reset ## remove everything that was built here, including the engine
	@rm -rf .venv .engine build
