# Three commands do everything on a fresh machine: `make forecast`, `make serve` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# One thread a test worker: two workers with a thread each outrun one with two.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

# The rivals of `make bench-speed` in an environment of their own, so that their pins cannot move what is tested.
BENCH := .venv-bench/bin

.PHONY: forecast serve test install check mutants pictures pictures-inside pictures-web bench-speed clean
forecast: .venv/core
	$(BIN)/gatecast forecast sample:aapl --report forecast.html

serve: .venv/serve
	$(BIN)/gatecast serve

test: .venv/test
	$(PYTEST)

install: .venv/all

check: .venv/all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --isolated --select F821 src tests benchmarks scripts  # undefined names, which pyproject.toml lets be for jaxtyping
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -W error --jaxtyping-packages=gatecast,beartype.beartype

mutants: .venv/all
	$(BIN)/python scripts/mutants.py

pictures: .venv/test
	$(BIN)/python scripts/pictures.py

pictures-inside: .venv/test
	$(BIN)/python scripts/pictures_inside.py

pictures-web: .venv/test
	$(BIN)/python scripts/pictures_web.py

bench-speed: .venv-bench/ready
	$(BENCH)/python benchmarks/speed.py

clean:
	rm -rf .venv .venv-bench build dist src/*.egg-info

.venv/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gatecast needs Python 3.11 or later; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	touch $@

.venv/core: .venv/python pyproject.toml constraints.txt
	$(PIP) -e .
	touch $@

.venv/serve: .venv/python pyproject.toml constraints.txt
	$(PIP) -e '.[serve]'
	touch $@ .venv/core

.venv/test: .venv/python pyproject.toml constraints.txt
	$(PIP) -e '.[test]'
	touch $@ .venv/core .venv/serve

.venv/all: .venv/python pyproject.toml constraints.txt
	$(PIP) -e '.[test,dev,yahoo]'
	touch $@ .venv/core .venv/serve .venv/test

.venv-bench/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-bench
	$(BENCH)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	touch $@
