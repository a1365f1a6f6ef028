# The commands of the workspace. `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
LIBRARIES := libs/events libs/kit libs/stack
SERVICES := $(patsubst %/pyproject.toml,%,$(wildcard services/*/pyproject.toml))
PROJECTS := $(foreach p,$(LIBRARIES) $(SERVICES),-e $(p))

TRIAGE := services/triage/anliegen/triage
MODEL := $(TRIAGE)/model/triage.model

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

install: $(VENV)/.installed $(MODEL) ## make .venv with everything, the command anliegen in .venv/bin

# The folder `services` itself is newer when a service was added or removed.
$(VENV)/.installed: requirements.txt services $(wildcard libs/*/pyproject.toml services/*/pyproject.toml) scripts/install.sh
	@PYTHON="$(PYTHON)" sh scripts/install.sh $(VENV) $(PROJECTS)
	@touch $@

# What triage understands is learned from the messages in services/triage/training.
$(MODEL): $(VENV)/.installed $(wildcard services/triage/training/*/*.jsonl $(TRIAGE)/model/*.py) $(TRIAGE)/words.py
	@$(BIN)/python -m anliegen.triage.model.training
	@touch $@

demo: install ## start everything and play the first journey; it stays running until make down
	@$(BIN)/anliegen up
	@$(BIN)/python scripts/demo.py

demo-compose: install ## the same in containers (docker compose); it stays running until docker compose down
	@$(or $(DOCKER_COMPOSE),docker compose) up --detach --build --wait
	@ANLIEGEN_HOME=.anliegen/compose $(BIN)/python scripts/demo.py

test: install check deploy-tools ## check everything and run every test
	@$(BIN)/python scripts/run_tests.py

search: install ## look for a play of commands, crashes and repetitions that breaks a promise: make search PLAYS=500
	@HYPOTHESIS_PROFILE=long HYPOTHESIS_PLAYS=$(or $(PLAYS),5000) $(BIN)/pytest libs/kit/tests/backbone/test_state_machine.py

stories: install ## tell the stories over the public interfaces of the whole stack
	@$(BIN)/pytest tests/stories -v

check: install ## style, types, who imports whom, the house rules
	@sh scripts/check.sh

# Before the tests, because building them may take longer than one test may.
deploy-tools: install
	@$(BIN)/python -m scripts.deploy_tools

check-deploy: deploy-tools ## hold containers, Kubernetes, alerts and dashboards against schemas, rules and the code
	@$(BIN)/pytest tests/deploy

up: install ## start everything on this machine
	@$(BIN)/anliegen up

down: install ## stop what up or demo started
	@$(BIN)/anliegen down

bench: install ## measure what is fast, beside bounds and a peer: ONLY=relay,accept a part, SOAK=20m memory
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only=$(ONLY)) $(if $(SOAK),--soak=$(SOAK)) $(if $(RATE),--rate=$(RATE))

eval: install ## measure how well triage understands, and write services/triage/MODEL.md
	@$(BIN)/python -m benchmarks.triage

model: install ## train triage's model again, where its messages or its training changed

chaos: install ## break everything under load, then reconcile: make chaos MINUTES=20 SEED=1 RATE=50 REPORT=report.json
	@PYTHONPATH=tests/faults $(BIN)/python -m chaos --minutes $(or $(MINUTES),2) --seed $(or $(SEED),1) \
		--rate $(or $(RATE),50) $(if $(REPORT),--report $(REPORT))

chaos-compose: install ## kill each container of docker-compose.yml under load, then reconcile: SEED=1 RATE=20 ROUNDS=1 ROLLING=
	@PYTHONPATH=tests/faults $(BIN)/python -m chaos.containers --seed $(or $(SEED),1) --rate $(or $(RATE),20) \
		--rounds $(or $(ROUNDS),1) $(if $(ROLLING),--rolling) $(if $(REPORT),--report $(REPORT))

lock: install ## compile the third-party pins again
	@$(BIN)/python scripts/lock.py

docs: install ## write what follows from the code: schemas, docs, parts of READMEs, deploy/platform of each service
	@$(BIN)/python scripts/docs.py
	@$(BIN)/python scripts/deploy.py

release-schemas: install ## keep the events' schemas as they are now, for good; part of releasing the product
	@$(BIN)/python -m anliegen.events.releases

new-service: install ## begin a service: make new-service NAME=parcel-tracing
	@$(BIN)/python scripts/new_service.py $(NAME)

.PHONY: help eval model install demo demo-compose test check-deploy deploy-tools search stories check up down bench chaos chaos-compose lock docs release-schemas new-service
