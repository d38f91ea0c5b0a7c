# make demo, make test, make check: each sets up what it needs in a virtual environment of its own.
# PYTHON=python3.12 picks another interpreter.
# make soak SOAK="--calls 20000 --seed 2" passes options on; SOAK=--help lists them.

PYTHON ?= $(firstword $(foreach name,python3.13 python3.12 python3.11 python3,$(if $(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo yes),$(name))))
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV := .venv-$(VERSION)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test check lint types docs bench soak clean

$(VENV)/pip:
	@echo "setting up $(VENV) (once, takes a moment) ..."
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade "pip>=25.1"
	touch $@

$(VENV)/demo: $(VENV)/pip pyproject.toml
	$(PIP) install --editable ".[cli]"
	touch $@

$(VENV)/dev: $(VENV)/pip pyproject.toml
	$(PIP) install --editable ".[all]" --group dev
	touch $@

demo: $(VENV)/demo
	$(BIN)/python -m resilient_client demo

test: $(VENV)/dev
	$(BIN)/python -m pytest

check: lint types docs

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev
	$(BIN)/mypy
	$(BIN)/basedpyright --warnings --pythonpath $(BIN)/python

docs: $(VENV)/dev
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -b html docs docs/_build/html

# `make bench BENCH="--quick"` for a first look; niquests, which replaces urllib3, gets an environment below build/.
BENCH ?=
BENCH_VENV := .venv-bench-$(VERSION)

$(BENCH_VENV)/bench: pyproject.toml
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip --disable-pip-version-check --quiet install --upgrade "pip>=25.1"
	$(BENCH_VENV)/bin/python -m pip --disable-pip-version-check --quiet install --editable ".[all]" --group bench
	touch $@

bench: $(BENCH_VENV)/bench
	$(BENCH_VENV)/bin/python -m bench $(BENCH)

soak: $(VENV)/dev
	$(BIN)/python -m bench.soak $(SOAK)

clean:
	rm -rf .venv-* docs/_build build dist *.egg-info .hypothesis .mypy_cache .ruff_cache
