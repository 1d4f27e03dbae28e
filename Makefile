# The first `make run` or `make test` builds .venv from requirements.lock. Later ones start at once.
# A change of the lock, of pyproject.toml, of the Python or of the folder builds it again.

PYTHON ?= python3
# The Pythons that the project promises, oldest first.
PYTHONS := 3.11 3.12 3.13
PROMISED := Python $(firstword $(PYTHONS)) to $(lastword $(PYTHONS))
VENV := $(or $(STEELEXP_VENV),.venv)
BIN := $(VENV)/bin

# Extra arguments of pytest: make test TESTS="-k rle"
TESTS ?=
# Number of test processes, for two cores: one waits for servers, disks and other processes. Each
# takes up to 3 GB.
PROCESSES ?= 3
# Extra arguments of `steelexp run` (make run ARGS="--fresh seed=1") and of uv (make lock
# ARGS=--upgrade, which moves unrelated pins as well).
ARGS ?=
SPEC ?= experiments/quickstart.yaml

# A virtual environment belongs to one absolute path and one Python. The stamp's name has both. A
# moved or copied checkout, or another PYTHON, gets a new environment.
IDENTITY := $(shell { pwd -P; $(PYTHON) -c 'import sys; print(sys.version)' 2>&1; } | cksum | cut -d' ' -f1)
READY := $(VENV)/.ready-$(IDENTITY)

.DEFAULT_GOAL := help
.PHONY: help setup run test fuzz slow bench check schemas browser format lock check-lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo 'Settings: PYTHON=python3.12  SPEC=experiments/b4_dice.yaml  ARGS="--fresh"  TESTS="-k rle"'

setup: $(READY)  ## Install everything into .venv (3 to 5 minutes once, then instant)

run: $(READY)  ## Run an experiment (default: the quickstart, about 5 minutes)
	$(BIN)/python -m steelexp run $(SPEC) $(ARGS)

test: check browser  ## Check everything, then run the default tests (at most 10 minutes)
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist worksteal $(TESTS)

SECONDS ?= 60
TARGETS ?=

fuzz: $(READY)  ## Fuzz every reader (SECONDS=300 for each of TARGETS="spec rle"; default: 60 for all)
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(TARGETS)

slow: $(READY) browser  ## Run the tests marked slow
	$(BIN)/python -m pytest -m slow $(TESTS)

PEERS := $(VENV)-peers

bench: $(READY) $(PEERS)/.ready  ## Measure speed beside the peers (hours; goes on where it stopped; ARGS=--list)
	$(BIN)/python -m benchmarks --peer-python $(PEERS)/bin/python $(ARGS)

$(PEERS)/.ready: pyproject.toml
	$(PYTHON) -m venv $(PEERS)
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["benchmarks"], sep="\n")' > $(PEERS)/peers.txt
	$(PEERS)/bin/python -m pip install -q -r $(PEERS)/peers.txt
	@touch $@

check: $(READY)  ## Check format, lint, types, layers and the shipped specs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m steelexp check experiments
	$(BIN)/python -m steelexp schema > experiments/spec.schema.json

schemas: $(READY)  ## Write the JSON Schemas of the files that steelexp writes
	@for kind in record run evaluation reevaluation external folds ensemble forecast search card prediction audit; do \
	  text=$$($(BIN)/python -m steelexp schema $$kind) || exit; \
	  version=$$(echo "$$text" | sed -n 's/.*urn:steelexp:[a-z]*:\([0-9]*\).*/\1/p'); \
	  echo "$$text" > docs/schemas/$$kind-$$version.schema.json; done

browser:  ## Install Chromium for the tests of the HTML page, with apt-get
	@for name in "$$STEELEXP_CHROMIUM" chromium chromium-browser google-chrome; do \
	  ! command -v "$$name" >/dev/null || exit 0; done; \
	[ "$$(id -u)" = 0 ] || as_root='sudo -n'; \
	if ! command -v apt-get >/dev/null || ! $$as_root true 2>/dev/null; then why='apt-get or root is missing'; \
	elif $$as_root apt-get -qq update && $$as_root env DEBIAN_FRONTEND=noninteractive \
	  apt-get -qq install --yes --no-install-recommends chromium >/dev/null; then exit 0; \
	else why='apt-get could not install it'; fi; \
	echo "make: no Chromium ($$why): the tests of the HTML page are skipped; set STEELEXP_CHROMIUM to a Chromium" >&2

format: $(READY)  ## Format the code and apply ruff's fixes
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: | $(BIN)/uv  ## Pin every dependency again, then check the lock
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal \
	  --python-version $(firstword $(PYTHONS)) --fork-strategy fewest \
	  --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command 'make lock' --quiet --output-file requirements.lock $(ARGS)
	$(MAKE) --no-print-directory check-lock

check-lock: | $(BIN)/uv  ## Ask the package index whether every promised Python can install the lock
	@for python in $(PYTHONS); do \
	  $(BIN)/uv pip install --dry-run --quiet --target $(VENV)/none -r requirements.lock \
	    --require-hashes --only-binary :all: \
	    --python-version $$python --python-platform x86_64-manylinux_2_28 || { \
	  echo "make: Python $$python cannot install requirements.lock from wheels on Linux" >&2; exit 1; }; \
	  echo "requirements.lock: wheels of everything for Python $$python on Linux"; \
	done

clean:  ## Remove .venv, .venv-peers and caches; runs/ and data/ stay
	rm -rf $(VENV) $(PEERS) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# The stamp is removed first and written last. An interrupted install starts again from an empty
# environment. A changed lock or pyproject.toml updates the environment in place.
$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo \
	  "make: there is no '$(PYTHON)' here; name a $(PROMISED): make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] not in "$(PYTHONS)".split())' || { echo \
	  "make: steelexp needs $(PROMISED) and $(PYTHON) is $$($(PYTHON) -V 2>&1); name another:" \
	  "make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@test -e $@ || { echo "Setting up $(VENV) (3 to 5 minutes)"; $(PYTHON) -m venv --clear $(VENV); }
	@rm -f $@
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m steelexp schema > experiments/spec.schema.json
	@touch $@

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check 'uv>=0.7'
