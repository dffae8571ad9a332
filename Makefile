# Every target installs and builds what it needs: `make demo` works on a fresh machine.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-rust test-python test-spark fuzz bench gpu-check gpu-folder notebooks wheel test-wheel lint lint-quick release-check format docs golden new-stage lock clean

ACTIVATE := . .venv/environment &&
# A profile of Cargo.toml.
export BUILD_PROFILE ?= release
# `--bin` without `-p`: with `-p`, cargo would select other features of Arrow and compile it again.
CODEGEN := cargo run --profile $(BUILD_PROFILE) --locked --quiet --bin mmlrs-codegen
# The classes of the module are final, so their memory layout does not matter.
STUBTEST := python -m mypy.stubtest mmlrs._native --concise --mypy-config-file pyproject.toml --ignore-disjoint-bases \
  --allowlist scripts/stubtest.txt
CARGO_DENY := 0.20.2
# `cargo fmt` does not see the modules that `stages!` declares.
RUST_FILES := $$(git ls-files --cached --others --exclude-standard "rust/*.rs")
ARGS ?=
SECONDS ?= 60
TARGET ?=
SEED ?= 0
OFFLINE ?=
VERSION ?= 3.5.9

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing, and build the extension if its sources changed.
	@scripts/setup.sh

build: setup ## Build a wheel in target/wheels with the profile `dist`.
	@$(ACTIVATE) maturin build --profile dist --locked

wheel: setup ## Build the portable wheel in target/wheels: manylinux_2_28, with OpenCV inside. Prints its size by part.
	@scripts/wheel.sh

test-wheel: setup ## Install the portable wheel in an environment of its own and test it there. `make wheel` comes first.
	@$(ACTIVATE) scripts/test_wheel.sh

demo: setup ## Train a classifier on real images; the results are in demo-output/. Installs Tux Paint's pictures (160 MB) if it may.
	@scripts/demo_pictures.sh
	@$(ACTIVATE) python -m mmlrs.demo --output demo-output $(ARGS)
	@$(ACTIVATE) python -m mmlrs.examples.camera_traps --quick --out demo-output/camera-traps

test: test-rust test-python ## Run all tests.

test-rust: setup
	@$(ACTIVATE) scripts/timed.sh "Rust tests" cargo test --profile $(BUILD_PROFILE) --locked --quiet --workspace

test-python: setup
	@$(ACTIVATE) scripts/test_python.sh

test-spark: setup ## Test with another PySpark in .venv-spark-VERSION: VERSION=3.5.9. ARGS=smoke runs the smoke tests only.
	@scripts/test_spark.sh $(VERSION) $(ARGS)

fuzz: setup ## Test with mutated files, tables and params. SECONDS=60 per target, TARGET=name for one target, SEED=0.
	@$(ACTIVATE) python tests/fuzz/run.py --seconds $(SECONDS) --seed $(SEED) $(TARGET:%=--target %)

bench: setup ## Run the benchmarks and rewrite docs/benchmarks.md. ARGS="--quick" does not rewrite it; ARGS="decode text" runs two measures.
	@$(ACTIVATE) python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-bench.txt
	@$(ACTIVATE) python -m bench $(ARGS)

gpu-check: ## Check results and speed on this machine's GPU. Without a GPU it says so. ARGS="--device cpu" compares on the CPU.
	@scripts/gpu_check/run.sh $(ARGS)

gpu-folder: setup ## Write target/gpu-check, the GPU check for a machine without this repository. `make wheel` comes first.
	@$(ACTIVATE) python -m scripts.gpu_check.pack

notebooks: setup ## Run the notebooks and store their outputs.
	@$(ACTIVATE) python scripts/run_notebooks.py $(ARGS)

lint: setup lint-quick ## Check formatting, spelling, lints, types, stubs and generated files; add a new stage in a copy of the sources.
	@cargo clippy --version >/dev/null 2>&1 || { echo "clippy is missing: rustup component add clippy" >&2; exit 1; }
	@$(ACTIVATE) scripts/timed.sh "clippy" cargo clippy --profile $(BUILD_PROFILE) --locked --quiet --workspace --all-targets -- -D warnings
	@$(ACTIVATE) scripts/timed.sh "mypy" mypy --no-error-summary
	@$(ACTIVATE) scripts/timed.sh "stubtest" $(STUBTEST)
	@$(ACTIVATE) scripts/timed.sh "generated files" $(CODEGEN) -- --check
	@$(ACTIVATE) scripts/timed.sh "new stage" python -m pytest -q tests/packaging/new_stage.py

lint-quick: ## Run only the checks of lint that compile nothing: formatting, spelling, Python lints, versions.
	@scripts/setup.sh python
	@rustfmt --version >/dev/null 2>&1 || { echo "rustfmt is missing: rustup component add rustfmt" >&2; exit 1; }
	@$(ACTIVATE) rustfmt --check $(RUST_FILES)
	@$(ACTIVATE) ruff check --quiet . && ruff format --check --quiet .
	@$(ACTIVATE) typos --force-exclude
	@$(ACTIVATE) python scripts/versions.py

release-check: ## Check licences, sources and advisories of the compiled crates. OFFLINE=1 uses the stored advisories.
	@scripts/setup.sh python
	@$(ACTIVATE) { [ "$$(cargo deny --version 2>/dev/null)" = "cargo-deny $(CARGO_DENY)" ] || \
	  cargo install --quiet --locked --root .venv cargo-deny@$(CARGO_DENY); }
	@$(ACTIVATE) cargo deny --locked $(if $(OFFLINE),--offline) check --hide-inclusion-graph bans licenses sources
	@$(ACTIVATE) cargo deny --locked $(if $(OFFLINE),--offline) check advisories || \
	  { echo "release-check: an advisory applies, or the database of advisories is missing. It is fetched from github.com" \
	    "into ~/.cargo/advisory-dbs; OFFLINE=1 uses the copy there." >&2; exit 1; }

format: ## Format Rust and Python.
	@scripts/setup.sh python
	@$(ACTIVATE) rustfmt $(RUST_FILES) && ruff check --quiet --fix . ; ruff format --quiet .

docs: ## Write the Python classes, stubs and reference pages from the registry.
	@scripts/setup.sh python
	@$(ACTIVATE) $(CODEGEN)

golden: docs setup ## Save each new stage in tests/golden, as users of this release would save it.
	@$(ACTIVATE) python scripts/save_golden.py

new-stage: setup ## Add a stage to a copy of the sources as CONTRIBUTING describes, build it and check its contract.
	@$(ACTIVATE) python -m pytest -q tests/packaging/new_stage.py

lock: ## Rewrite requirements-dev.lock from requirements-dev*.in.
	@scripts/lock.sh

clean: ## Remove the environment and all build output.
	@rm -rf .venv .venv-spark-* target demo-output mmlrs/_native*.so
