# Every target prepares what it needs: `make demo` on a fresh machine installs, builds and runs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-rust test-python fuzz bench notebooks lint lint-quick release-check format docs golden new-stage lock clean

ACTIVATE := . .venv/environment &&
# By its name and for the whole workspace: with `-p`, cargo would choose other features of Arrow and compile it again.
CODEGEN := cargo run --release --locked --quiet --bin mmlrs-codegen
# The module is final, so how its classes lie in memory is nobody's business.
STUBTEST := python -m mypy.stubtest mmlrs._native --concise --mypy-config-file pyproject.toml --ignore-disjoint-bases \
  --allowlist scripts/stubtest.txt
CARGO_DENY := 0.20.2
# `cargo fmt` does not see modules that the list of a crate's stages declares.
RUST_FILES := $$(git ls-files --cached --others --exclude-standard "rust/*.rs")
ARGS ?=
SECONDS ?= 60
TARGET ?=
SEED ?= 0
OFFLINE ?=

help: ## Shows this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Installs what is missing, builds the extension when its sources changed.
	@scripts/setup.sh

build: setup ## Builds a wheel into target/wheels, in the profile `dist`.
	@$(ACTIVATE) maturin build --profile dist --locked

demo: setup ## The main job on real pictures: results in demo-output/.
	@$(ACTIVATE) python -m mmlrs.demo --output demo-output $(ARGS)

test: test-rust test-python ## All tests.

test-rust: setup
	@$(ACTIVATE) cargo test --release --locked --quiet --workspace

test-python: setup
	@$(ACTIVATE) scripts/test_python.sh

fuzz: setup ## Mutated files, tables and params. SECONDS=60 for each target, TARGET=name of one, SEED=0.
	@$(ACTIVATE) python tests/fuzz/run.py --seconds $(SECONDS) --seed $(SEED) $(TARGET:%=--target %)

bench: setup ## Measures against the alternatives, rewrites docs/benchmarks.md. ARGS="--quick" leaves it alone; names of measures rewrite their sections.
	@$(ACTIVATE) python -m bench $(ARGS)

notebooks: setup ## Runs the notebooks and writes them with their outputs.
	@$(ACTIVATE) python scripts/run_notebooks.py $(ARGS)

lint: setup lint-quick ## Formatting, spelling, lints, types, stubs, freshness of the generated files, and a new stage in a copy.
	@cargo clippy --version >/dev/null 2>&1 || { echo "clippy is missing: rustup component add clippy" >&2; exit 1; }
	@$(ACTIVATE) cargo clippy --release --locked --quiet --workspace --all-targets -- -D warnings
	@$(ACTIVATE) mypy --no-error-summary
	@$(ACTIVATE) $(STUBTEST)
	@$(ACTIVATE) $(CODEGEN) -- --check
	@$(ACTIVATE) python -m pytest -q tests/packaging/new_stage.py

lint-quick: ## The part of lint that compiles nothing: formatting, spelling, lints of Python, versions.
	@scripts/setup.sh python
	@rustfmt --version >/dev/null 2>&1 || { echo "rustfmt is missing: rustup component add rustfmt" >&2; exit 1; }
	@$(ACTIVATE) rustfmt --check $(RUST_FILES)
	@$(ACTIVATE) ruff check --quiet . && ruff format --check --quiet .
	@$(ACTIVATE) typos --force-exclude
	@$(ACTIVATE) python scripts/versions.py

release-check: ## Licences, sources, duplicates and advisories of the crates that are compiled in. OFFLINE=1 uses the stored advisories.
	@scripts/setup.sh python
	@$(ACTIVATE) { [ "$$(cargo deny --version 2>/dev/null)" = "cargo-deny $(CARGO_DENY)" ] || \
	  cargo install --quiet --locked --root .venv cargo-deny@$(CARGO_DENY); }
	@$(ACTIVATE) cargo deny --locked $(if $(OFFLINE),--offline) check --hide-inclusion-graph bans licenses sources
	@$(ACTIVATE) cargo deny --locked $(if $(OFFLINE),--offline) check advisories || \
	  { echo "release-check: an advisory applies, or the database of advisories is missing. It is fetched from github.com" \
	    "into ~/.cargo/advisory-dbs; OFFLINE=1 uses the copy there." >&2; exit 1; }

format: ## Formats Rust and Python.
	@scripts/setup.sh python
	@$(ACTIVATE) rustfmt $(RUST_FILES) && ruff check --quiet --fix . ; ruff format --quiet .

docs: ## Writes the Python classes, stubs and reference pages from the registry.
	@scripts/setup.sh python
	@$(ACTIVATE) $(CODEGEN)

golden: docs setup ## Saves one of every new stage in tests/golden, as users of this release save it.
	@$(ACTIVATE) python scripts/save_golden.py

new-stage: setup ## Adds a stage to a copy of the sources as CONTRIBUTING says, builds it and checks its contract.
	@$(ACTIVATE) python -m pytest -q tests/packaging/new_stage.py

lock: ## Rewrites requirements-dev.lock from requirements-dev.in.
	@scripts/lock.sh

clean: ## Removes the environment and everything that was built.
	@rm -rf .venv target demo-output mmlrs/_native*.so
