# Every target prepares what it needs: `make demo` on a fresh machine installs, builds and runs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-rust test-python fuzz bench notebooks lint format docs lock clean

ACTIVATE := . .venv/environment &&
# `cargo fmt` does not see modules that the list of a crate's stages declares.
RUST_FILES := $$(git ls-files --cached --others --exclude-standard "rust/*.rs")
# The extension module has no test of its own and cannot link without an interpreter.
RUST_TESTED := --workspace --exclude mmlrs-python
ARGS ?=
SECONDS ?= 60
TARGET ?=
SEED ?= 0

help: ## Shows this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Installs what is missing, builds the extension when its sources changed.
	@scripts/setup.sh

build: setup ## Builds a wheel into target/wheels.
	@$(ACTIVATE) maturin build --release --locked

demo: setup ## The main job on real pictures: results in demo-output/.
	@$(ACTIVATE) python -m mmlrs.demo --output demo-output $(ARGS)

test: test-rust test-python ## All tests.

test-rust: setup
	@$(ACTIVATE) cargo test --release --locked --quiet $(RUST_TESTED)

test-python: setup
	@$(ACTIVATE) scripts/test_python.sh

fuzz: setup ## Mutated files, tables and params. SECONDS=60 for each target, TARGET=name of one, SEED=0.
	@$(ACTIVATE) python tests/fuzz/run.py --seconds $(SECONDS) --seed $(SEED) $(TARGET:%=--target %)

bench: setup ## Measures against the alternatives, rewrites docs/benchmarks.md. ARGS="--quick" leaves it alone; names of measures rewrite their sections.
	@$(ACTIVATE) python -m bench $(ARGS)

notebooks: setup ## Runs the notebooks and writes them with their outputs.
	@$(ACTIVATE) python scripts/run_notebooks.py $(ARGS)

lint: setup ## Formatting, lints, types and freshness of the generated files.
	@rustfmt --version >/dev/null 2>&1 || { echo "rustfmt is missing: rustup component add rustfmt" >&2; exit 1; }
	@cargo clippy --version >/dev/null 2>&1 || { echo "clippy is missing: rustup component add clippy" >&2; exit 1; }
	@$(ACTIVATE) rustfmt --check $(RUST_FILES)
	@$(ACTIVATE) cargo clippy --release --locked --quiet --workspace --all-targets -- -D warnings
	@$(ACTIVATE) ruff check --quiet . && ruff format --check --quiet .
	@$(ACTIVATE) mypy --no-error-summary
	@$(ACTIVATE) cargo run --release --locked --quiet -p mmlrs-codegen -- --check

format: ## Formats Rust and Python.
	@scripts/setup.sh python
	@$(ACTIVATE) rustfmt $(RUST_FILES) && ruff check --quiet --fix . ; ruff format --quiet .

docs: ## Writes the Python classes, stubs and reference pages from the registry.
	@scripts/setup.sh python
	@$(ACTIVATE) cargo run --release --locked --quiet -p mmlrs-codegen

lock: ## Rewrites requirements-dev.lock from requirements-dev.in.
	@scripts/lock.sh

clean: ## Removes the environment and everything that was built.
	@rm -rf .venv target demo-output mmlrs/_native*.so
