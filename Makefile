# People and CI run the same words. `make` alone lists them.
# Needs Python 3.11 or newer and make; everything else is installed into .venv from requirements/*.lock.

SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= $(firstword $(foreach name,python3.11 python3,$(if $(shell command -v $(name)),$(name))))
BIN := .venv/bin
LOCKS := requirements/server.lock requirements/dev.lock
# `make TORCH=cuda up` installs the build for NVIDIA GPUs (several GB) and stays with it; TORCH=cpu goes back.
INSTALLED_TORCH := $(shell cat .venv/.torch 2>/dev/null)
TORCH ?= $(or $(INSTALLED_TORCH),cpu)
TORCH_VERSION := $(shell sed -n 's/^torch==\([0-9.]*\).*/\1/p' requirements/server.lock 2>/dev/null)
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options --annotation-style=line
# Two processes, each with its own servers: much of the suite waits for processes that it kills.
WORKERS ?= 2

.PHONY: help demo up test check drills bench screenshots lock clean

help: ## list these verbs
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

demo: .venv/.installed ## watch a factory being inspected: everything, with demo devices and real images
	@$(BIN)/python manage.py demo

up: .venv/.installed ## run the installation (data in var/, or HYBRIDAI_DATA) until Ctrl-C
	@$(BIN)/python manage.py up

test: .venv/.installed browser faults ## all tests, against a PostgreSQL and Valkey of their own
	$(BIN)/python -m pytest -m "not drill" -n $(WORKERS) --dist loadfile $(ARGS)

check: .venv/.installed ## format, lint, import laws, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy .

drills: .venv/.installed faults ## slow proofs of the promises under failure
	$(BIN)/python -m pytest -m drill tests/drills $(ARGS)

bench: .venv/.installed ## measure again every figure of docs/benchmarks.md
	@for figure in $(wildcard benchmarks/*.py); do echo "== $$figure"; $(BIN)/python "$$figure" || exit 1; done

screenshots: .venv/.installed browser ## take the README's pictures again
	$(BIN)/python -m tests.kit.screenshots

# The lock names no CUDA packages: compile it where pip finds torch's CPU build.
lock: .venv/.installed ## pin requirements/*.in anew
	$(COMPILE) -o requirements/server.lock requirements/server.in
	$(COMPILE) -c requirements/server.lock -o requirements/dev.lock requirements/dev.in
	@grep -v '^#' requirements/other-pythons.txt >> requirements/server.lock
	@sed -i.bak 's/^\(torch==[0-9.]*\)+cpu/\1/' $(LOCKS) && rm -f requirements/*.bak
	@! grep -n '^nvidia' $(LOCKS) || { echo "CUDA packages in the lock. Try: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make lock"; exit 1; }

clean: ## remove the environment and all caches; the data in var/ stays
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: python browser

python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and no python3 was found."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V). Set PYTHON=/path/to/python3.11."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "Python's venv module is missing (Debian: apt-get install python3-venv)."; exit 1; }

# Written last: an install that was cut off is done again, and so is one whose lock changed.
.venv/.installed: $(LOCKS) | python
	@echo "Installing into .venv, about 2 minutes the first time (1.9 GB)"
	@test -x $(BIN)/python && $(BIN)/python -c 'import pip' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@echo "  1/2 torch $(TORCH_VERSION) ($(TORCH))"
	@$(MAKE) --no-print-directory torch-$(TORCH)
	@echo "  2/2 everything else"
	@$(PIP_INSTALL) $(addprefix -r ,$(LOCKS))
	@echo $(TORCH) > .venv/.torch
	@touch $@

ifneq ($(TORCH),$(INSTALLED_TORCH))
.PHONY: .venv/.installed
endif

.PHONY: torch-cpu torch-cuda

# First as pip is configured here, then from PyTorch's own index. Other systems than Linux have no CUDA to avoid.
torch-cpu:
ifeq ($(shell uname -s),Linux)
	@$(PIP_INSTALL) --no-deps "torch==$(TORCH_VERSION)+cpu" 2>/dev/null || \
		$(PIP_INSTALL) --no-deps "torch==$(TORCH_VERSION)+cpu" --index-url https://download.pytorch.org/whl/cpu
else
	@$(PIP_INSTALL) --no-deps "torch==$(TORCH_VERSION)"
endif

torch-cuda:
	@$(PIP_INSTALL) --force-reinstall --no-deps "torch==$(TORCH_VERSION)"
	@$(PIP_INSTALL) "torch==$(TORCH_VERSION)"

browser:
	@command -v chromium >/dev/null || $(MAKE) --no-print-directory install-browser

.PHONY: install-browser

install-browser:
	@test "$$(id -u)" = 0 && command -v apt-get >/dev/null || \
		{ echo "The story test needs chromium. As root: apt-get install chromium"; exit 1; }
	@echo "Installing chromium, about 20 seconds"
	@apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null

.PHONY: faults

# What the fault tests break things with. Without root they are not installed, and those tests skip and say why.
FAULT_TOOLS = $(if $(shell command -v strace),,strace) \
	$(if $(wildcard /usr/lib/*/faketime/libfaketime.so.1),,faketime) $(if $(wildcard /usr/lib/*/libfuse.so.2),,libfuse2)

faults:
	@if test -n "$(strip $(FAULT_TOOLS))" && test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
		echo "Installing $(strip $(FAULT_TOOLS)), about 10 seconds"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			$(FAULT_TOOLS) >/dev/null; fi
