# The commands of the workspace. `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
LIBRARIES := libs/events libs/kit libs/stack
SERVICES := $(patsubst %/pyproject.toml,%,$(wildcard services/*/pyproject.toml))
PROJECTS := $(foreach p,$(LIBRARIES) $(SERVICES),-e $(p))

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## make .venv with everything, the command anliegen in .venv/bin

$(VENV)/.installed: requirements.txt $(wildcard libs/*/pyproject.toml services/*/pyproject.toml) scripts/install.sh
	@PYTHON="$(PYTHON)" sh scripts/install.sh $(VENV) $(PROJECTS)
	@touch $@

lock: install ## compile the third-party pins again
	@$(BIN)/python scripts/lock.py
.PHONY: help install lock
