# `make demo` and `make test` need Python 3.11+ and make, nothing else.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
PIP := $(BIN)/pip --disable-pip-version-check -q install

.PHONY: demo test docs lint types imports unit bench faults fidelity fuzz region clean

demo: .venv/run
	$(BIN)/hie demo $(ARGS)

test: lint types imports unit

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test
	$(BIN)/mypy

imports: .venv/test
	$(BIN)/lint-imports

unit: .venv/test
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

# pages that are made from the code; a test compares them
docs: .venv/run
	$(BIN)/python -m hie.reference docs/reference

# figures of README.md; not part of `test`, since wall time on a shared machine proves nothing
bench: .venv/run
	$(BIN)/hie bench $(ARGS)

# the fault table against a running node: sent, expected, came; and what bad neighbours cost the others
faults: .venv/test
	$(BIN)/python -m tests.faults.table_report $(ARGS)

# how much of a corpus of real messages and documents arrives, and what was lost without a word (HIE_CORPUS or --corpus names it)
fidelity: .venv/test
	$(BIN)/python -m tests.fidelity $(ARGS)

# a million damaged messages and a hundred thousand damaged documents (the suite tries 20,000 of each)
fuzz: .venv/test
	$(BIN)/python -m tests.fuzz $(ARGS)

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "hie needs Python 3.11 or newer: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run: pyproject.toml .venv/bin/python
	$(PIP) -e .
	@touch $@

.venv/test: pyproject.toml .venv/bin/python
	$(PIP) -e '.[test,train]'
	@touch $@ .venv/run

# ten minutes of a whole region under random kills, then its ledger; needs PostgreSQL and RabbitMQ
region: .venv/test
	$(BIN)/python -m tests.region $(ARGS)

clean:
	rm -rf .venv var
