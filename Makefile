# What must hold at every commit is `make test`; what takes longer is `make prove`.
# Everything runs on this machine's loopback addresses and leaves nothing behind.

SHELL := /bin/bash
.SHELLFLAGS := -e -u -o pipefail -c
.DEFAULT_GOAL := help

# How long each fuzz target runs in `make test` and in `make fuzz`, in seconds.
FUZZ_BRIEFLY ?= 5
FUZZ_SECONDS ?= 60

CARGO ?= cargo

.PHONY: help demo programs lint deny test bench packaged h2spec pkcs11 otel prove fuzz

help: ## say what there is to make
	@grep -E '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## (.*)/  make \1\t\2/'

demo: ## a working gate in one command, on https://localhost:8443/
	$(CARGO) run --release -- demo

programs: ## install, or else name, the programs that the tests call
	@tests/install.sh

lint: ## formatting and every warning of the compiler and of clippy
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

deny: ## licences, advisories and sources of the dependencies (needs cargo-deny and the network)
	$(CARGO) deny check

# The fuzz targets are a package of their own, which nothing else compiles: they come first, since they are the
# first to be forgotten.
test: programs lint ## all that must hold at every commit
	fuzz/run.sh $(FUZZ_BRIEFLY)
	$(CARGO) test

h2spec: ## the conformance test h2spec, which must be on the path, against the TLS listener
	$(CARGO) test --test h2spec -- --ignored --nocapture

packaged: ## the program as packages have it, optimised for what a gate mostly does (half an hour)
	packaging/build.sh

bench: ## the micro-benchmarks
	$(CARGO) bench

# PKCS#11 is a feature, so that testing it builds the program a second time.
pkcs11: programs ## the authority's key in a PKCS#11 token (SoftHSM)
	$(CARGO) test --features pkcs11 --test pkcs11

# So are traces, for the same reason.
otel: programs ## traces of requests, sent to a collector
	$(CARGO) clippy --all-targets --features otel -- -D warnings
	$(CARGO) test --features otel --test otel

prove: programs pkcs11 otel ## the loads and faults that take longer, optimised; and the account suite on a MySQL from Debian's sid
	$(CARGO) test --profile prove --tests -- --ignored --nocapture
	tests/mysql.sh

fuzz: ## each fuzz target for FUZZ_SECONDS
	fuzz/run.sh $(FUZZ_SECONDS)
