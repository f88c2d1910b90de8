# What people and CI run. `make help` lists it.
CARGO ?= cargo
SHELL := /bin/bash
.DEFAULT_GOAL := help

.PHONY: help demo test check accuracy bench fuzz killtest killtest-planted

# A folder of labelled screens that stands beside this one, where there is one.
export TSUP_CORPUS ?= $(wildcard ../shared/corpus)

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: ## build, then watch six fake agents live, crash and come back, and jobs beside them
	@tests/tools/need tmux
	$(CARGO) build --release --bin tsup
	target/release/tsup demo

test: ## everything CI runs; installs what the tests need
	@tests/tools/need tmux erl node npm python3
	@tests/tools/install
	$(CARGO) build --all-targets
	$(CARGO) test --workspace --no-fail-fast

check: ## the fast loop: format, lints, unit tests
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) test --workspace --lib --bins

accuracy: ## how often the screen reader is right, on the labelled screens that are there
	$(CARGO) bench -p tsup-actors --bench accuracy

bench: ## the figures of docs/benchmarks.md
	@tests/tools/need tmux
	$(CARGO) build --release --bin tsup
	benches/run

killtest: ## kills a supervisor full of jobs 1,000 times (CYCLES=N SEED=N) and looks whether one is lost or doubled
	@tests/tools/need strace
	$(CARGO) bench -p tsup --bench killtest

killtest-planted: ## whether it notices four bugs that are planted in a build of its own
	$(CARGO) bench -p tsup --bench killtest --features planted --profile planted -- planted

fuzz: ## one minute of fuzzing for each target; needs cargo-fuzz and a nightly toolchain
	cd actors/core && for t in $$(cargo +nightly fuzz list); do cargo +nightly fuzz run $$t -- -max_total_time=60 || exit 1; done
