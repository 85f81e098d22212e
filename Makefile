# `make demo` shows the main job, `make test` checks everything; both set up what they need.

SHELL := /bin/sh
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VENV   := .venv
BIN    := $(VENV)/bin
TARGET := $(CURDIR)/target
CARGO  ?= cargo
# Where nobody looks, a lock file that does not fit is an error; elsewhere cargo mends it.
LOCKED := $(if $(CI),--locked)

# One place for everything that is compiled, one release profile: no crate is compiled twice.
export CARGO_TARGET_DIR := $(TARGET)

# What is not built by default is checked all the same.
FEATURES := --all-features
# Without the clients of object stores, which would be linked into each test anew: they are tested
# through Python.
TESTED   := --no-default-features --features ironpipe/log,ironpipe/tracing,ironpipe/chunks

# One interpreter in the build script's environment, whoever calls cargo: else PyO3 is built anew
# for each of maturin, clippy and the tests.
export PYO3_PYTHON := $(abspath $(BIN)/python)
export PYTHONDONTWRITEBYTECODE :=

rust_sources := Cargo.toml Cargo.lock $(shell find rust -name target -prune -o \
	-type f \( -name '*.rs' -o -name Cargo.toml \) -print)

# What stands for a finished step. A step runs again when something it lists is newer.
stamps        := $(VENV)/.stamps
dev_installed := $(stamps)/dev-installed
installed     := $(stamps)/installed
servers       := $(stamps)/servers
webserver     := $(stamps)/webserver

.PHONY: help
help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- build ---------------------------------------------------------------------------------------

.PHONY: build
build: binaries $(installed) ## .venv with everything in it, and the binaries in target/release

$(BIN)/python:
	@tools/make-venv $(VENV)

$(dev_installed): pyproject.toml | $(BIN)/python
	@mkdir -p $(stamps)
	@# --group came with pip 25.1.
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group dev 'orjson>=3.10'
	@touch $@

# cargo knows what is up to date, and is quick to say so.
.PHONY: binaries
binaries: $(dev_installed)
	@tools/check-rust
	$(CARGO) build --release $(LOCKED)

# Python sources are used where they lie; only Rust, or what the package says of itself, matters.
$(installed): $(rust_sources) pyproject.toml | binaries
	@# What tools/build_backend.py does, with the command that is there already.
	@mkdir -p target/wheel-data/scripts
	@install -m 755 $(TARGET)/release/ironpipe target/wheel-data/scripts/
	PIP_QUIET=1 VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release $(LOCKED)
	@touch $@

# What `sales-stack` needs, which is less than the tests do.
$(webserver): pyproject.toml | $(dev_installed)
	dagster=$$($(BIN)/python -c 'from importlib.metadata import version; print(version("dagster"))') \
	&& $(BIN)/python -m pip install --quiet "dagster==$$dagster" "dagster-webserver==$$dagster"
	@touch $@

# One resolution with the Dagster that is there: its web server is released with it.
$(servers): pyproject.toml tools/install-stores | $(dev_installed)
	@tools/install-chromium
	@tools/install-stores $(TARGET)/servers
	dagster=$$($(BIN)/python -c 'from importlib.metadata import version; print(version("dagster"))') \
	&& $(BIN)/python -m pip install --quiet --group servers "dagster==$$dagster"
	@touch $@

.PHONY: wheel
wheel: $(dev_installed) ## a wheel with the extension and the command, in dist/
	@tools/check-rust
	$(BIN)/python tools/build_backend.py
	$(BIN)/maturin build --release $(LOCKED) --strip --out dist

# --- run -----------------------------------------------------------------------------------------

.PHONY: demo
demo: build ## the main job both ways: without Dagster, and as a Dagster asset
	@tools/demo

.PHONY: concepts
concepts: build ## examples/concepts: the concepts of Dagster, all its assets made once
	cd examples/concepts && $(abspath $(BIN)/python) -m concepts

# Its steps find the programs that were built.
with_programs := PATH="$(TARGET)/release:$(abspath $(BIN)):$$PATH"

.PHONY: sales
sales: build ## examples/sales: three assets, made by a Rust, a Python and a shell process
	@$(with_programs) $(BIN)/python examples/sales/run.py

.PHONY: sales-stack
sales-stack: build $(webserver) ## the same, served in the browser by the services of its deployment
	@$(with_programs) $(BIN)/python examples/sales/stack.py

.PHONY: sales-images
sales-images: build $(servers) ## the pictures of it in its documentation, taken anew
	SALES_IMAGES=$(CURDIR)/examples/sales/docs $(BIN)/python -m pytest -q -m servers \
		tests/servers/test_sales_stack.py -k 'page or schedule or nobody_behind' --basetemp=/tmp/sales

# --- check ---------------------------------------------------------------------------------------

.PHONY: test
test: lint test-rust test-python types docs bench-short ## all checks; what a change has to pass
	@echo "all checks passed"

.PHONY: test-rust
test-rust: $(dev_installed) ## the Rust tests and benches (on little data), in the profile of `build`
	@tools/check-rust
	BENCH_SHORT=1 $(CARGO) test --release $(LOCKED) $(TESTED) --all-targets
	$(CARGO) test --release $(LOCKED) $(TESTED) --doc

.PHONY: test-python
test-python: build ## the Python tests
	$(BIN)/python -m pytest -q

.PHONY: test-servers
test-servers: build $(servers) ## what needs servers and a browser; installs those
	$(BIN)/python -m pytest -q -m "servers and not soak"

.PHONY: publish-check
publish-check: $(dev_installed) ## whether the crates could be published as they are
	@tools/check-rust
	$(CARGO) publish --dry-run --allow-dirty $(LOCKED) -p ironpipe -p ironpipe-cli

.PHONY: lint
lint: $(dev_installed) ## formatting and lints of both languages
	@tools/check-rust
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release $(LOCKED) --workspace $(FEATURES) --all-targets -- -D warnings
	$(BIN)/ruff check
	$(BIN)/ruff format --check

.PHONY: types
types: build ## pyright, and the extension's stub against the extension
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m mypy.stubtest ironpipe._ironpipe

.PHONY: docs
docs: $(dev_installed) ## the API documentation of the Rust crates
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release $(LOCKED) --workspace $(FEATURES) --no-deps --quiet

.PHONY: format
format: $(dev_installed) ## format everything
	$(CARGO) fmt --all
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

# --- measure -------------------------------------------------------------------------------------

.PHONY: bench
bench: build ## the benches, each beside its official peer; takes minutes
	$(BIN)/python -m pytest benches -q --benchmark-quiet
	$(CARGO) bench $(LOCKED) --package ironpipe

.PHONY: bench-short
bench-short: build ## the Python benches on little data, so that they never rot
	BENCH_SHORT=1 $(BIN)/python -m pytest benches -q --benchmark-quiet

.PHONY: losses
losses: build ## what the official client loses and ours does not, row by row
	@PYTHONPATH=tests $(BIN)/python benches/losses.py

.PHONY: soak
soak: build ## what takes long: millions of lines, gigabytes, twenty runs in a row
	$(BIN)/python -m pytest -q -m "soak and not servers" --timeout=7200

# --- tidy ----------------------------------------------------------------------------------------

.PHONY: clean
clean: ## remove what was built, the virtual environment included
	rm -rf $(TARGET) $(VENV) dist .pytest_cache .ruff_cache .mypy_cache .hypothesis .benchmarks
	find python -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
