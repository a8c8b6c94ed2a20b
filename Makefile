# Two commands are enough to begin with: `make up` and `make test`. `make` alone lists the rest.
SHELL := /bin/bash
BOOTSTRAP := python3 tools/bootstrap.py
# The engine that the bootstrap chose comes before any other on PATH.
# A signal to make's shell reaches the program itself.
PYTHON = eval "$$($(BOOTSTRAP) --print-env)" && exec .venv/bin/python
# Tests wait for processes, or fill one core. Files whose tests share servers stay whole.
TWO_TESTS = --numprocesses 2 --dist worksteal
TWO_FILES = --numprocesses 2 --dist loadfile

ROUNDS := 10
SEED := 1

.DEFAULT_GOAL := help
.PHONY: help quick setup setup-dev up review check-update outputs site verify down status up-regions outputs-regions failover down-regions rehearse lock test lint unit processes sandbox-tests database test-sip test-site engine bench drill reset clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:
	@$(BOOTSTRAP)

setup-dev:
	@$(BOOTSTRAP) --dev

up: setup ## stand the edge up on a cloud on loopback and print its IP inventory
	@$(PYTHON) -m sandbox.stack up

review: ## what an update of that stack would do, as a pull request's report (Markdown)
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.stack review

check-update: ## whether the last update of that stack took: a second preview must be empty
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.check_update

outputs: ## every output of that stack as one JSON object on standard output
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.stack outputs

site: ## that stack's site for vendors and customers, into build/site/
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.stack site

verify: ## check that stack from outside: names, SIP servers, certificates
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.stack verify

status: setup ## what runs
	@($(PYTHON) -m sandbox status) || true

down: setup ## destroy the edge and stop the sandbox
	@$(PYTHON) -m sandbox.stack down

up-regions: setup ## two regions and the names that they share, on a cloud of their own
	@$(PYTHON) -m sandbox.regions up

outputs-regions: ## every output of those stacks as one JSON object, one key a stack
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.regions outputs

failover: ## on those stacks: a region fails, is drained and taken back; who reaches which, and when
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.failover

down-regions: setup ## destroy those stacks and stop their cloud
	@$(PYTHON) -m sandbox.regions down

rehearse: ## adopt the live edge in a sandbox of its own; ipInventory as JSON last
	@$(BOOTSTRAP) >&2
	@$(PYTHON) -m sandbox.rehearsal

quick: setup-dev ## formatter, linter, types and the unit tests, side by side: a minute on two cores
	@$(MAKE) --no-print-directory -j 2 --output-sync=target lint unit

test: setup-dev lint unit processes sandbox-tests database test-sip test-site engine ## everything: linter, types and all tests

lock: setup-dev ## uv.lock and requirements.txt anew, after a change of pyproject.toml
	@$(PYTHON) tools/python_lock.py --write

lint: setup-dev ## formatter, linter, strict types, imports, workflows, pins
	@echo "lint: formatter, linter, strict types, imports, workflows, pins (2 minutes the first time: mypy reads the SDKs once; then seconds)"
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy .
	@$(PYTHON) .venv/bin/lint-imports --no-logo
	@python3 tools/actionlint.py
	@$(PYTHON) tools/python_lock.py
	@$(PYTHON) tools/pins.py

unit: setup-dev ## tests of the program alone
	@echo "unit: the program alone, on mocks (1 minute)"
	@$(PYTHON) -m pytest tests/unit $(TWO_TESTS)

processes: setup-dev ## what only a real process shows: signals, closed pipes, imports, the workflows' scripts
	@echo "processes: signals, closed pipes, imports, the workflows' scripts (1 minute)"
	@$(PYTHON) -m pytest tests/processes $(TWO_TESTS)

sandbox-tests: setup-dev ## tests of the local cloud and the sandbox: refusals, PostgreSQL, DNS
	@echo "sandbox: what the cloud refuses, with a real PostgreSQL and real DNS answers (3 minutes)"
	@$(PYTHON) -m pytest tests/local_cloud tests/sandbox $(TWO_FILES)

database: setup-dev ## the trunk ACL on real PostgreSQL servers
	@echo "database: schema, migrator and rows on PostgreSQL 15 and the embedded one (4 to 6 minutes)"
	@$(PYTHON) -m pytest tests/database $(TWO_FILES)

test-sip: setup-dev ## the trunk ACL in a real Kamailio, with real SIP traffic
	@echo "sip: who gets in, over UDP, TCP and TLS, and what a change, a crash and an outage do (3 to 5 minutes)"
	@$(PYTHON) -m pytest tests/sip

test-site: setup-dev ## the published site in a real Chromium
	@echo "site: the page, its feed and its copying, in light and dark, for keyboards and on phones (1 minute)"
	@$(PYTHON) -m pytest tests/site

engine: setup-dev ## tests on the real engine
	@echo "engine: up, drift, drain, adoption, policies, reviews, trunks and crashes on the real engine, two files at once (30 minutes)"
	@$(PYTHON) -m pytest tests/engine $(TWO_FILES) --no-loadscope-reorder

bench: setup-dev ## all benchmarks, one JSON object a line
	@$(PYTHON) -m benchmarks

drill: setup ## kill ROUNDS updates at points that SEED draws, and see whether the next one finishes them
	@$(PYTHON) -m sandbox.drill --rounds $(ROUNDS) --seed $(SEED)

reset: ## end and remove all sandboxes with their stacks; the engine and .venv stay
	@if [ -x .venv/bin/python ]; then .venv/bin/python -m sandbox.reset; fi
	@rm -rf .sandbox .sandbox-*

clean: reset ## remove all that was made here, the engine included
	@rm -rf .venv .engine build
