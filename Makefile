# numguard: five things to type. `make demo` needs python3.11, make and apt, nothing else.
#
#   make demo    run notebooks/quickstart.ipynb in a real kernel and print its reports
#   make lab     open JupyterLab on that notebook
#   make test    the whole test suite, in real kernels and a real browser
#   make bench   what numguard costs, against its limits and peers (some minutes)
#   make docs    the documentation site, out/docs/docs/index.html; a warning is an error
#   make check   what needs no test: style, types, layers, generated files
#
# All share one environment, .venv, made on first use from pyproject.toml and constraints.txt.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete

export TF_CPP_MIN_LOG_LEVEL ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1
# Node and jlpm may be those of the environment.
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: demo lab extension test bench docs check format generate clean
.DEFAULT_GOAL := demo

demo: $(STAMP)
	$(BIN)/python scripts/notebooks.py

lab: extension
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/quickstart.ipynb

# The side panel and the widget, from labextension/; nothing where they are up to date.
extension: $(STAMP)
	$(BIN)/python hatch_build.py

test: export OMP_NUM_THREADS ?= 1
test: extension
	$(PYTHON) scripts/environment.py chromium
	cd labextension && jlpm run test
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

bench: $(STAMP)
	$(BIN)/python -m benchmarks

docs: $(STAMP)
	$(BIN)/sphinx-build -q -W --keep-going -b html -c docs . out/docs

check: extension
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/schema.py --check
	$(BIN)/python scripts/rule_pages.py --check
	$(BIN)/python scripts/report_page.py --check
	$(BIN)/codespell *.md docs notebooks/*.py scripts jupyter_numguard tests
	cd labextension && jlpm run lint

# Mend what `make check` would complain of and a program can mend.
format: extension
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd labextension && jlpm run format

# Write the generated files again: the report's schema, the rules' pages, the outputs in the notebooks.
generate: $(STAMP)
	$(BIN)/python scripts/schema.py
	$(BIN)/python scripts/rule_pages.py
	$(BIN)/python scripts/report_page.py
	$(BIN)/python scripts/notebooks.py all --save

$(STAMP): pyproject.toml constraints.txt scripts/environment.py
	$(PYTHON) scripts/environment.py venv $(VENV)
	touch $@

clean:
	rm -rf $(VENV) out build dist labextension/dist labextension/lib labextension/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .grimp_cache
