# Two commands are enough on a fresh machine with Python 3.11 and make: `make demo` and `make test`.

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.set-up
# An absolute path, so that commands run in other folders (the demo's database) still find it.
TSUZUKI := $(abspath $(BIN))/tsuzuki
# Files of tests that run side by side. More than there are cores: the tests mostly wait.
JOBS   := 3

.PHONY: help demo test check bench setup format public-names reference clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: setup ## Kill a research run half way with SIGKILL, resume it, print its report
	@tools/demo.sh $(TSUZUKI)

test: check ## Everything that CI runs: make check, then every test
	@tools/strace.sh
	@tools/chromium.sh
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

check: setup ## Format, lint, strict types, import arrows, public names and their reference
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/unit/test_architecture.py tests/unit/test_public_names.py tests/unit/test_python_reference.py

bench: setup ## Compare with the bare disk, the Temporal development server and DBOS, in one table
	@$(BIN)/python -m pip install --quiet -c constraints.txt --group bench
	@$(BIN)/python -m benchmarks

format: setup ## Format the code and fix what the linter can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

public-names: setup ## Write the lists of public names anew; review the difference
	@$(BIN)/python tests/unit/test_public_names.py

reference: setup ## Write docs/reference from the command line and the public names anew; review the difference
	@PYTHONPATH=tests $(BIN)/python tests/cli/test_reference.py
	@$(BIN)/python tests/unit/test_python_reference.py

setup: $(STAMP) ## Make .venv with everything in it; does nothing the second time

$(STAMP): pyproject.toml constraints.txt tools/setup.sh
	@tools/setup.sh $(VENV)
	@touch $@

clean: ## Remove the virtual environment and the caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
