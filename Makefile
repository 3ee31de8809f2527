# Thin: each target is a CMake preset or a script. The two that a newcomer needs are `make run` and `make test`.
PREFIX ?= /usr/local
PRESET ?= release

.PHONY: help setup build run test bench docs install-prefix check-all test-debian13 ci fuzz fmt tidy lint clean

help:
	@echo "make run                  install what is missing, build, and run the demonstration"
	@echo "make test                 install what is missing, build, and run every test"
	@echo "make build [PRESET=...]   build one preset: release debug test asan tsan clang clang-tsan clang-asan"
	@echo "make bench [JOBS=switch,echo] [RIVALS=asio,go] [ROUNDS=15]   run the benchmarks beside their rivals"
	@echo "make docs                 check the documentation: every listing is compiled and run"
	@echo "make install-prefix PREFIX=/usr/local"
	@echo "make fmt | tidy | lint    format the sources, check the house rules, run asyncio-lint and clang-tidy"
	@echo "make fuzz [SECONDS=300]   libFuzzer on each target of tests/fuzz, so many seconds each"
	@echo "make ci                   what the continuous integration runs"
	@echo "make check-all            the whole matrix of compilers, build types and sanitizers"
	@echo "make test-debian13        build and test inside a Debian 13 made with debootstrap"
	@echo "make clean                remove build/"

setup:
	@scripts/setup.sh

build: setup
	@scripts/build.sh $(PRESET)

run: setup
	@scripts/build.sh release -- tools
	@build/release/bin/asyncio-demo

test: setup
	@scripts/test.sh test

# A run of everything writes benchmarks/RESULTS.md and plots; one of a part of it only prints. INSTALL=1 installs the
# rivals that are missing.
bench: setup
	@scripts/bench.sh $(if $(JOBS),--jobs $(JOBS)) $(if $(RIVALS),--rivals $(RIVALS)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(INSTALL),--install) $(if $(JOBS)$(RIVALS),,--scaling --write)

docs: setup
	@scripts/docs.sh release

install-prefix: setup
	@scripts/build.sh release -- tools
	@cmake --install build/release --prefix "$(PREFIX)"

fmt:
	@scripts/format.sh --fix

tidy:
	@scripts/tidy.py

lint:
	@scripts/setup.sh --all
	@scripts/lint.sh

ci:
	@.ci/run

# What a night is for; the continuous integration feeds each target random bytes for two seconds.
fuzz:
	@scripts/setup.sh --all
	@scripts/fuzz.sh $(or $(SECONDS),300)

check-all:
	@scripts/check_all.sh

test-debian13:
	@scripts/test_debian13.sh

clean:
	@cmake -E rm -rf build
