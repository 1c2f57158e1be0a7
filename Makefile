# `make` lists what can be done. Everything is installed into .venv, in this directory.

PYTHON ?= python3
URL ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
SOAK_ARGS ?=

BIN := .venv/bin
PYTEST = $(BIN)/python -m pytest -n auto --dist loadfile
PIP := -m pip --quiet --disable-pip-version-check install
# The URL as typed: make would expand "$" in it, the shell would act on "&" and "?".
override URL := $(value URL)
export URL

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo save test check bench soak pywb clean

help:
	@echo 'make demo            a small news site on this machine, archived twice: what is kept, what changed'
	@echo 'make save URL=...    archive one page into ./archive'
	@echo 'make test            all tests              (PYTEST_ARGS="-k words" for some)'
	@echo 'make check           ruff, mypy and all tests'
	@echo 'make bench           the benchmarks         (BENCH_ARGS=... for some)'
	@echo 'make soak            a long crawl of a site that misbehaves (SOAK_ARGS="--pages 2000"; 20,000 take ten minutes)'
	@echo 'make pywb            pywb in .venv-pywb, for the tests that replay with it'
	@echo 'make clean           remove what make has made; archives stay'
	@echo
	@echo 'PYTHON=python3.12 chooses the interpreter, 3.11 or newer.'

demo: .venv/.ready
	@$(BIN)/archiver demo

# Without a URL nothing has to be set up to say so.
# Loopback is a private address: the user who types it means it, so it is allowed here.
save: $(if $(URL),.venv/.ready)
	@if [ -z "$$URL" ]; then \
	    echo "Which page? For example: make save URL='https://example.com/story'" >&2; exit 2; \
	fi; \
	host=$$(printf '%s' "$$URL" | sed -E 's|^[A-Za-z]+://||; s|[/?#].*||; s|.*@||; s|:[0-9]*$$||'); \
	case "$$host" in \
	    127.0.0.1|localhost|'[::1]') $(BIN)/archiver save --allow-private "$$URL" ;; \
	    *) $(BIN)/archiver save "$$URL" ;; \
	esac

test: .venv/.ready-dev
	@$(PYTEST) $(PYTEST_ARGS)

check: .venv/.ready-dev
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(PYTEST) $(PYTEST_ARGS)

bench: .venv/.ready-bench
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

soak: .venv/.ready-dev
	@$(BIN)/python -m tests.crawl.soak $(SOAK_ARGS)

pywb: .venv-pywb/.ready

clean:
	rm -rf .venv .venv-pywb build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find archiver spiders storage tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# One stamp per environment, so that a second run does nothing. What pip says is shown only if it fails.

show_failure = > $(@D)/setup.log 2>&1 || { cat $(@D)/setup.log >&2; exit 1; }

.venv/.ready: pyproject.toml constraints.txt | .venv/bin/pip
	@echo 'Setting up .venv: installing the archiver (a minute or two) ...'
	@$(BIN)/python $(PIP) -c constraints.txt -e . $(show_failure)
	@touch $@

.venv/.ready-dev: pyproject.toml constraints.txt | .venv/bin/pip
	@echo 'Setting up .venv: installing the archiver and the tools to test it (a few minutes) ...'
	@$(BIN)/python $(PIP) -c constraints.txt -e '.[dev]' $(show_failure)
	@touch .venv/.ready $@

.venv/.ready-bench: benchmarks/extraction/requirements.txt .venv/.ready-dev
	@echo 'Adding the libraries that the benchmarks compare with ...'
	@$(BIN)/python $(PIP) --no-deps -r $< $(show_failure)
	@touch $@

.venv-pywb/.ready: tests/replay/requirements.txt | .venv-pywb/bin/pip
	@echo 'Setting up .venv-pywb: installing pywb ...'
	@.venv-pywb/bin/python $(PIP) -r tests/replay/requirements.txt $(show_failure)
	@touch $@

.venv/bin/pip .venv-pywb/bin/pip:
	@command -v $(PYTHON) >/dev/null || { \
	    echo 'No $(PYTHON) here. Python 3.11 or newer is needed (Debian: apt install python3 python3-venv).' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); 3.11 or newer is needed. Another one: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	    echo '$(PYTHON) cannot make virtual environments (Debian: apt install python3-venv).' >&2; exit 1; }
	@echo 'Setting up $(@:/bin/pip=): an environment of $(PYTHON) ...'
	@$(PYTHON) -m venv $(@:/bin/pip=)
