# Two commands for a fresh machine: make quickstart, make test. Each makes the environment it needs.
VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)
INSTALLED := $(VENV)/.installed

.PHONY: install quickstart test check format clean

install: $(INSTALLED)
	@echo "Done: . $(BIN)/activate"

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or 3.12 was found: install one, or name it: make PYTHON=/path/to/python $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (a few minutes, 6 GB with torch's CUDA libraries) ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable ".[test]"
	@touch $@

quickstart: $(INSTALLED)
	@$(BIN)/reid-nas compare --config experiments/quickstart.yml

test: $(INSTALLED)
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal --ignore tests/end_to_end
	@$(BIN)/python -m pytest tests/end_to_end

check: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(INSTALLED)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
