# `make` lists the targets. All lives in .venv, MILLRACE_HOME (.millrace) and the user's cache; the system stays as it is.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.9

.DEFAULT_GOAL := help
.PHONY: help setup demo test quick coverage faults lint generate lock vendor clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

.venv/.ready: requirements-dev.lock pyproject.toml setup.py $(wildcard models/*/*.[ch] models/*/kernel/*.[ch] streams/wire/*.[ch])
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Millrace needs Python 3.11 or newer; set PYTHON=python3.x")'
	@test -x $(UV) || { $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv==$(UV_VERSION); }
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

setup: .venv/.ready ## install everything into .venv

demo: setup ## Kafka, a simulated shop and plant, workers and API, from nothing
	$(BIN)/millrace demo

test quick: export PYTHONDONTWRITEBYTECODE = # or each run, and each process in it, would compile all modules anew

test: lint ## lint, and all tests, with a real Kafka and a real PostgreSQL; those of Kafka need the machine for themselves
	$(BIN)/python -m pytest -m "not kafka and not faults" --numprocesses 2 --dist loadfile; WITHOUT=$$?; \
	$(BIN)/python -m pytest -m "kafka and not faults" && exit $$WITHOUT

quick: setup ## the tests of a minute: no Kafka, none of the long ones, few examples of each property
	$(BIN)/python -m pytest -m "not kafka and not long" --hypothesis-profile quick --numprocesses 2

coverage: setup ## which lines the quick tests reach; kernels are compiled and count as not reached
	$(BIN)/coverage run -m pytest -q -m "not kafka and not long" && $(BIN)/coverage report

faults: setup ## the long form of tests/faults: a table of what each fault led to, about an hour
	$(BIN)/python -m tests.faults $(FAULTS)

lint: setup ## ruff, mypy, import-linter
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

generate: setup ## JSON Schemas, AsyncAPI and OpenAPI from the code
	$(BIN)/python -m millrace.generate

lock: setup ## resolve the dependencies anew
	$(UV) lock --upgrade --quiet
	$(UV) export --quiet --no-emit-project --no-header --no-annotate --no-dev -o requirements.lock
	$(UV) export --quiet --no-emit-project --no-header --no-annotate -o requirements-dev.lock
	$(UV) export --quiet --no-emit-project --no-header --no-annotate --only-group peers -o requirements-peers.lock
	for peer in lleaves quix nvforest; do $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate --generate-hashes benchmarks/$$peer.in -o benchmarks/$$peer.lock; done

vendor: setup ## fetch the files of npm packages that console/vendor.lock names, and check them
	$(BIN)/python -m console.vendor

clean: ## remove .venv and what was built (MILLRACE_HOME stays)
	rm -rf .venv build models/kernel/*.so models/*/kernel/*.so streams/wire/*.so *.egg-info
