# make demo   train a potential on the data shipped with the project, evaluate it, run a short molecular dynamics
# make test   the whole test suite, in a process per core
# make lint   formatting, lint, import contract

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN_DIR ?= runs/demo
# processes of the tests, one per core: each takes about 1 GB
TEST_JOBS ?= logical

.PHONY: demo test lint clean

# One stamp per set of packages, so that a second call installs nothing.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

demo: $(VENV)/installed
	$(BIN)/eqgraph train examples/potential.yaml training.output=$(RUN_DIR) training.overwrite=true
	$(BIN)/python examples/molecular_dynamics.py $(RUN_DIR)/model.eqg

test: $(VENV)/installed-test
	$(BIN)/python -m pytest --numprocesses $(TEST_JOBS) --maxprocesses 8 --dist worksteal

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) runs build *.egg-info
