# Only Python 3.11 to 3.13, git and make are needed; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
FUZZ_SECONDS ?= 120
KILLS ?= 200

.PHONY: install demo test lint crash fuzz bench lock clean

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

demo: install
	$(BIN)/grader data install mnist
	$(BIN)/grader samples b2-1 --out $(DEMO)/class
	@if $(BIN)/grader doctor --only-sandbox; then sandbox=auto; else sandbox=none; \
	  echo "No sandbox works on this machine. The demonstration runs its own notebooks without one: --sandbox none"; fi; \
	$(BIN)/grader grade b2-1 $(DEMO)/class --workspace $(DEMO)/workspace --time-limit-s 240 --sandbox $$sandbox \
	  --json $(DEMO)/results.json || test $$? -eq 1

test: install
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# 200 kills of the grader at random moments and at every stage, about 25 minutes; the default tests have a few of them.
crash: install
	GRADER_TEST_KILLS=$(KILLS) $(BIN)/python -m pytest -s tests/crash

# Coverage-guided, two minutes a reader; what it finds stays in fuzz/.
fuzz: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-fuzz.lock
	for target in notebook archive name evidence arrays terminal; do \
	  $(BIN)/python tests/fuzz/run.py $$target --seconds $(FUZZ_SECONDS) || exit 1; done

bench: install
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.fixed_cost
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.resubmission
	$(BIN)/python -m benchmarks.regrade
	$(BIN)/python -m benchmarks.growth

lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --extra keras2 --extra colab --extra dev --generate-hashes \
	  --no-header --no-annotate --quiet --output-file requirements.lock
	$(BIN)/uv pip compile requirements-fuzz.in --universal --python-version 3.11 --no-deps --generate-hashes \
	  --no-header --no-annotate --quiet --output-file requirements-fuzz.lock

clean:
	rm -rf $(VENV) $(DEMO) build dist
