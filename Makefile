# The front door. `make` alone lists what there is; `make run` is the place to start.

PY := .venv/bin/python
PYTEST := $(PY) -m pytest
# The environment is made again when a lock or a package's metadata changes, when the tree was moved, or when its
# interpreter is gone. `make run` is content with the part that running needs.
MADE_FROM := .ci/setup .ci/uv.lock packages/watchword/pyproject.toml packages/watchword-server/pyproject.toml
HERE := $(shell pwd -P)
SOUND := $(shell .venv/bin/python -c '' 2>/dev/null && echo yes)
READY := $(shell test -n '$(SOUND)' && test "$$(cat .venv/.ready 2>/dev/null)" = '$(HERE)' && echo yes)
RUNS := $(shell test -n '$(SOUND)' && test "$$(cat .venv/.runs 2>/dev/null)" = '$(HERE)' && echo yes)

.DEFAULT_GOAL := help
.PHONY: help setup run test check bench soak docs lock clean FORCE
MAKEFLAGS += --no-print-directory

help:  ## this list
	@echo 'Watchword: token-based authentication. Start with:  make run'
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile
	@echo
	@echo '  Knobs: PYTHON=python3.12 make setup · make test T="tests/flows -k refresh" · make bench QUICK=1'

setup: .venv/.ready  ## the environment in .venv, from requirements.lock (the others do it by themselves)

.venv/.ready: requirements.lock $(MADE_FROM) $(if $(READY),,FORCE)
	@.ci/setup

.venv/.runs: requirements-run.lock $(MADE_FROM) $(if $(RUNS),,FORCE)
	@.ci/setup run

FORCE:

run: .venv/.runs  ## the server with its playground on :8000 and a demonstration API on :8001
	@$(PY) examples/demonstration/run.py

# Three processes on two cores: most of the time a test waits for servers, databases and browsers of its own.
test: .venv/.ready  ## every test but the soak; T="..." narrows it
	@.ci/chromium
	@.ci/nginx
	@.ci/apache
	@$(PYTEST) -n 3 --dist loadfile --no-loadscope-reorder -m "not soak" -q $(T)

check: .venv/.ready  ## format, lint, types, who may import whom, pages that are generated, leaks
	@$(PY) .ci/check.py

bench: .venv/.ready  ## the figures of README, measured here; QUICK=1 for a glance
	@$(PY) .ci/bench.py $(if $(QUICK),--quick)

soak: .venv/.ready  ## the long, large and exhaustive proofs, then the full benchmarks
	@$(PYTEST) -m soak -q --timeout 7200 $(T)
	@$(PY) .ci/bench.py

docs: .venv/.ready  ## the documentation as a site in site/
	@$(PY) .ci/generate.py
	@.venv/bin/zensical build --clean --strict
	@echo 'site/index.html'

lock: .venv/.ready  ## resolve dependencies anew into requirements.lock; U="--upgrade" to raise versions
	@.ci/lock $(U)

clean:  ## everything made here but .watchword (the demonstration's state; delete it yourself to start afresh)
	rm -rf .venv .tools site build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
