# Two commands do everything: `make serve` and `make test`. Python 3.11+ and make are all they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help serve test check types format bench bench-turns bench-fanout faults screenshots lock clean

help: ## show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

serve: $(VENV)/serve.done ## install, fetch the weights, start, open the page (ARGS="--port 9000")
	$(BIN)/kaiwa serve $(ARGS)

test: $(VENV)/dev.done check ## everything: format, lint, types, imports, unit, contract, integration, browser
	sh scripts/chromium.sh
	sh scripts/nats.sh
	$(BIN)/kaiwa models pull
	$(BIN)/pytest $(ARGS)

check: $(VENV)/dev.done ## format, lint, types, imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

types: ## check the types of the page's modules (needs Node.js; not part of `make test`)
	npx --yes --package typescript@5.9 tsc --project .

format: $(VENV)/dev.done ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev.done ## measure the whole chain on this machine (see docs/benchmarks.md)
	$(BIN)/python -m bench.chain $(ARGS)

screenshots: $(VENV)/dev.done ## take the README's pictures anew, of the real page
	sh scripts/chromium.sh
	$(BIN)/python -m tests.browser.screenshots docs/images

bench-turns: $(VENV)/dev.done ## measure turns: the answer's latency, and answers that came too early
	$(BIN)/python -m bench.turns $(ARGS)

bench-fanout: $(VENV)/dev.done ## measure a crowd of listeners: from commit to browser, and a stalled one
	$(BIN)/python -m bench.fanout $(ARGS)

faults: $(VENV)/dev.done ## break a busy site in every way, from a seed (ARGS="--seed 7 --minutes 10")
	$(BIN)/python -m tests.faults $(ARGS)

lock: $(VENV)/dev.done ## pin every dependency anew, with hashes
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header -q -U -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header -q -U -o requirements-dev.lock

clean: ## remove what the other commands made in this folder
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/serve.done: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps -e .
	touch $@

$(VENV)/dev.done: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --no-deps -e .
	touch $@
