# Everything here works on Debian with Python 3.11 and make: each target first makes .venv from the lock file.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check
LOCK := $(VENV)/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header --group build
PYTEST_ARGS ?=

.PHONY: demo story test check bench lock clean

# Ladder beside a stand-in Jira site, on this machine only; prints where to look.
demo: $(VENV)/installed
	$(VENV)/bin/ladder demo

# The same, unattended: plays a story and compares every number with the specification.
story: $(VENV)/installed
	$(VENV)/bin/ladder demo --script

# In as many processes as there are cores; PYTEST_ARGS=-n0 has all of it in one.
test: $(VENV)/installed-dev
	$(RUN) -m pytest --numprocesses logical --maxprocesses 8 --dist loadfile $(PYTEST_ARGS)

check: $(VENV)/installed-dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/deptry .
	$(RUN) -m tests.audit

bench: $(VENV)/installed-dev
	$(RUN) -m benchmarks

# After a change of dependencies in pyproject.toml.
lock: $(VENV)/installed-dev
	$(LOCK) --output-file requirements.lock
	$(LOCK) --group test --group check --output-file requirements-dev.lock

clean:
	rm -rf $(VENV) .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache dist build

$(VENV)/installed: requirements.lock pyproject.toml | $(RUN)
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/installed-dev: requirements-dev.lock pyproject.toml | $(RUN)
	$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/installed

# Debian keeps ensurepip in a package of its own. With it missing, a pip outside can fill the environment; without
# either there is one thing to install, and we say which.
$(RUN):
	@test -n "$(PYTHON)" || { echo "Ladder needs Python 3.11 or newer, and there is no python3 here." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Ladder needs Python 3.11 or newer; $(PYTHON) is older. Name another one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@if "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null; then "$(PYTHON)" -m venv $(VENV); \
	elif "$(PYTHON)" -c 'import venv, pip' 2>/dev/null; then \
	  "$(PYTHON)" -m venv --without-pip $(VENV) && "$(PYTHON)" -m pip --python $(RUN) install --quiet pip; \
	else echo "Python's venv is incomplete here. On Debian: sudo apt-get install python3-venv, then make again." >&2; exit 1; fi
