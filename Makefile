# The two commands that matter: `make run` and `make test`. Both prepare .venv themselves; the second time
# they notice that nothing changed. Pass more words on with ARGS: make test ARGS="-k calendar".

PYTHON ?=
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.PHONY: help run test coverage check audit sbom format bench soak lock vendor tracker clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

run: .venv/run.stamp ## start Crumby on this machine
	@$(BIN)/crumby run $(ARGS)

test: .venv/dev.stamp .venv/audit.stamp .venv/chdb.stamp ## run the tests (ARGS="-k name" picks some)
	@tests/install-servers
ifeq ($(strip $(ARGS)),)
	@tests/run
else
	@$(BIN)/python -m pytest -m "not long" $(ARGS)
endif

coverage: .venv/dev.stamp .venv/audit.stamp .venv/chdb.stamp ## run all tests, traced, and hold what they reach to its floor
	@tests/install-servers
	@tests/run --coverage

check: .venv/dev.stamp ## lint, formatting, types, and who may import whom
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

audit: .venv/audit.stamp ## ask whether what Crumby runs on has a known fault (CRUMBY_AUDIT_MUST=1: fail where nobody can tell)
	@.venv/audit/bin/python scripts/audit.py $(ARGS)

sbom: .venv/audit.stamp ## write build/sbom.json: what Crumby is made of, with licences and checksums, as CycloneDX
	@.venv/audit/bin/python scripts/sbom.py

format: .venv/dev.stamp ## put the code in the house's shape
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: .venv/dev.stamp ## measure, in ten minutes (ARGS="reports --visits 1,10" picks one of benchmarks/, in full)
	@$(BIN)/python -m benchmarks $(ARGS)

soak: .venv/dev.stamp .venv/chdb.stamp ## the long forms of the tests, hours of them, before a release
	@tests/install-servers
	@$(BIN)/python -m pytest -m long --timeout=0 $(ARGS)

lock: .venv/dev.stamp ## remake the lock files (ARGS=--upgrade moves every pin to the newest)
	@scripts/lock $(ARGS)

vendor: .venv/dev.stamp ## refresh static/vendor from its manifest, and the list of common passwords
	@$(BIN)/python scripts/vendor.py
	@$(BIN)/python -m scripts.passwords

tracker: .venv/dev.stamp ## minify static/tracker, remake npm/, and print the sizes
	@$(BIN)/python -m scripts.tracker

clean: ## remove .venv, caches and what builds leave behind
	rm -rf .venv build dist htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests benchmarks scripts -name __pycache__ -type d -prune -exec rm -rf {} +

# Every download is held to its hash. Hatchling comes from a lock as well, so building Crumby fetches nothing.
.venv/run.stamp: pyproject.toml requirements/build.txt requirements/run.txt scripts/venv
	@scripts/venv $(PYTHON)
	@echo "Preparing .venv; this takes a minute, once."
	@$(PIP) install --require-hashes -r requirements/build.txt -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements/dev.txt
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

.venv/audit.stamp: requirements/audit.txt | .venv/run.stamp
	@$(BIN)/python -m venv --clear --without-pip .venv/audit
	@$(PIP) --python .venv/audit/bin/python install --require-hashes -r requirements/audit.txt
	@touch $@

# ClickHouse's engine, 200 MB to fetch. It is pandas' and pyarrow's only where it is asked for them.
.venv/chdb.stamp: requirements/chdb.txt | .venv/run.stamp
	@rm -rf .venv/chdb
	@$(PIP) install --no-deps --require-hashes --target .venv/chdb -r requirements/chdb.txt && touch $@ \
		|| echo "chdb can't be installed: what needs a ClickHouse will be skipped"
