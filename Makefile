# Everything a person runs here, and CI runs just the same. `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-containers test-unit soak go-registries fuzz-registries bench screenshots lint format schema docs reference clean
SHELL := /bin/bash
BIN := .venv/bin

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

setup:  ## system packages (apt, when root or with sudo) and a private virtual environment in .venv
	@scripts/setup

demo: setup  ## two throwaway registries, a first and a second sync; KEEP=1 keeps them up, to play with
	@$(BIN)/python -m demo $(if $(KEEP),--keep)

test: setup  ## all tests but those of containers, against real registries, Redis and skopeo
	@$(BIN)/pytest -n $${TEST_JOBS:-4} --dist loadgroup --ignore=tests/containers

test-containers: setup  ## the image and the compose stack, on a Docker daemon of the tests' own (root)
	@scripts/setup-docker
	@$(BIN)/pytest tests/containers

screenshots: setup  ## make docs/images anew: terminals, and pages by headless Chromium
	@scripts/setup-docker
	@$(BIN)/python -m demo.recording
	@$(BIN)/python -m demo.pictures

test-unit: setup  ## only the tests that start no process
	@$(BIN)/pytest -q tests/unit

soak: setup  ## ten minutes of faults at random; SOAK="--images 200 --minutes 1 --seed 7" for less, or others
	@$(BIN)/python -m tests.soak $(SOAK)

go-registries:  ## distribution v3 and go-containerregistry's registry, as further targets of `make test`; needs Go
	GOBIN=$(CURDIR)/.cache/go/distribution go install github.com/distribution/distribution/v3/cmd/registry@v3.0.0
	GOBIN=$(CURDIR)/.cache/go/ggcr go install github.com/google/go-containerregistry/cmd/registry@v0.20.6

fuzz-registries: setup  ## 50 odd registries by chance, against skopeo; FUZZ="--seed 100 --count 200" for others
	@$(BIN)/python -m tests.fuzz_registries $(FUZZ)

bench: setup  ## speed as ratios, side by side; BENCH=waiting runs one of them
	@$(BIN)/python -m bench $(BENCH)

lint: setup  ## ruff, mypy --strict, shellcheck, luacheck
	@scripts/setup-lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/shellcheck .ci/run scripts/*
	@! command -v luacheck >/dev/null || luacheck -q dregsy_queue/ledger/lua

format: setup  ## let ruff format and mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

schema: setup  ## write config/dregsy.schema.json anew from the models
	@$(BIN)/python -m dregsy_queue.config.schema > config/dregsy.schema.json

docs: setup  ## the documentation as a site, in build/docs; a warning or a dead link is an error
	@$(BIN)/python -c 'import furo, myst_parser, sphinx' 2>/dev/null || $(BIN)/pip install --quiet \
	  --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -j auto -d build/doctrees docs build/docs
	@echo "docs: build/docs/index.html"

reference: setup  ## write docs/reference anew from the commands and the models
	@$(BIN)/python -m docs.generate

clean:  ## remove the virtual environment and all caches
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
