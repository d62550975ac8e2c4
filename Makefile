# numguard: five things to type. `make demo` needs python3.11, make and apt, nothing else.
#
#   make demo    run notebooks/quickstart.ipynb in a real kernel and print its reports
#   make lab     open JupyterLab on that notebook
#   make test    the whole test suite, in real kernels and a real browser
#   make bench   what numguard costs, against its limits and peers (some minutes)
#   make check   what needs no test: style, types, layers, generated files
#
# All share one environment, .venv, made on first use from pyproject.toml and constraints.txt.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete

export TF_CPP_MIN_LOG_LEVEL ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

.PHONY: demo lab test bench check format generate clean
.DEFAULT_GOAL := demo

demo: $(STAMP)
	$(BIN)/python scripts/quickstart.py

lab: $(STAMP)
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/quickstart.ipynb

test: export OMP_NUM_THREADS ?= 1
test: $(STAMP)
	$(PYTHON) scripts/environment.py chromium
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

bench: $(STAMP)
	$(BIN)/python -m benchmarks

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/schema.py --check
	$(BIN)/python scripts/rule_pages.py --check

# Mend what `make check` would complain of and a program can mend.
format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Write the generated files again: the report's schema, the rules' pages, the outputs in the quickstart.
generate: $(STAMP)
	$(BIN)/python scripts/schema.py
	$(BIN)/python scripts/rule_pages.py
	$(BIN)/python scripts/quickstart.py --save

$(STAMP): pyproject.toml constraints.txt scripts/environment.py
	$(PYTHON) scripts/environment.py venv $(VENV)
	touch $@

clean:
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .grimp_cache
