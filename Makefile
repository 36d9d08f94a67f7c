# Two commands do everything: `make bench` and `make test`. CONTRIBUTING.md tells the others.
.DEFAULT_GOAL := help
.PHONY: help bench test test-system test-all check check-format check-lint check-types \
    check-imports check-roles packages packages-system unit main system once long speed platforms \
    format clean

BENCH_OPTIONS ?=
TEST_OPTIONS ?=

# One phase that fails keeps no other from running; make fails in the end where any did.
MAKEFLAGS += --keep-going
.NOTPARALLEL:

# Images of containers often set this to stay small; here it would have Ansible compile itself at
# every call, which takes as long as what it does.
unexport PYTHONDONTWRITEBYTECODE

# What `make test` starts for real. What provisioning would install is here too: the suite compares
# the machine before and after, and packages stay installed.
TEST_PACKAGES := apparmor debian-archive-keyring docker.io e2fsprogs ethtool iproute2 iptables \
    libvirt-clients libvirt-daemon-system libxml2-utils mmdebstrap openssh-client openssh-server \
    qemu-system-x86 runc util-linux zstd

# What the other system tests start besides.
SYSTEM_PACKAGES := busybox-static chromium conmon crun fdisk grub-common grub-pc-bin libfaketime \
    lxc netavark netcat-openbsd podman poppler-utils qemu-utils runsc slirp4netns uidmap

help:
	@echo 'make bench        set up, provision what this machine can run, measure, print, take down'
	@echo '                  (options: make bench BENCH_OPTIONS="--preset smoke --budget 10m")'
	@echo 'make test         set up; checks, unit, contract and dataset tests, and the main path'
	@echo '                  from end to end on native, a container and a guest: ten minutes'
	@echo 'make test-system  the other system tests: every backend, threats, nights, the site'
	@echo 'make test-all     everything, the long tests too: two machines with real KVM on the'
	@echo '                  second, which is a guest made for it, statistical and load checks'
	@echo 'make platforms    make bench on fresh machines of other Debian releases, and its report in'
	@echo '                  docs/platforms.md (the long tests do the same)'
	@echo '                  (options of pytest: make test TEST_OPTIONS="-x -k docker")'
	@echo 'make check        formatting, lint, types, imports, roles'
	@echo 'make format       put the code into its format'
	@echo 'make clean        take everything down and remove caches, images, packages of Python, .venv'

bench: .venv/.ready
	.venv/bin/baremark bench $(BENCH_OPTIONS)

# Each line's parts are phases, run in this order.
test: check packages unit main
test-system: packages-system system once
test-all: check packages-system unit main system long speed

unit: .venv/.dev
	.venv/bin/pytest -m 'not long' -n 2 tests/unit tests/contract tests/dataset $(TEST_OPTIONS)

main: .venv/.dev
	.venv/bin/pytest -m main tests/system $(TEST_OPTIONS)

system: .venv/.dev
	.venv/bin/pytest -m 'not long and not main' tests/system $(TEST_OPTIONS)

# Each benchmark once, as a plain test.
once: .venv/.dev
	.venv/bin/pytest -m 'not long' tests/bench $(TEST_OPTIONS)

long: .venv/.dev
	.venv/bin/pytest -m long tests/unit tests/contract tests/dataset tests/system $(TEST_OPTIONS)

speed: .venv/.dev
	.venv/bin/pytest --benchmark-enable tests/bench $(TEST_OPTIONS)

platforms: packages
	.venv/bin/pytest -m long tests/system/test_platforms.py $(TEST_OPTIONS)
	.venv/bin/python -m tests.platforms

packages: .venv/.dev
	.venv/bin/baremark setup $(TEST_PACKAGES)

packages-system: .venv/.dev
	.venv/bin/baremark setup $(TEST_PACKAGES) $(SYSTEM_PACKAGES)

check: check-format check-lint check-types check-imports check-roles

check-format: .venv/.dev
	.venv/bin/ruff format --check .

check-lint: .venv/.dev
	.venv/bin/ruff check .

check-types: .venv/.dev
	.venv/bin/mypy

check-imports: .venv/.dev
	.venv/bin/lint-imports

check-roles: .venv/.dev
	.venv/bin/ansible-lint --offline -c playbooks/.ansible-lint playbooks inventories

format: .venv/.dev
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

clean:
	if [ -x .venv/bin/baremark ]; then .venv/bin/baremark down --purge; fi
	rm -rf .venv .cache dist .benchmarks .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .ansible
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The only packages that Ansible cannot install are those that it needs itself.
.venv/.ready: pyproject.toml uv.lock bootstrap.sh
	./bootstrap.sh
	touch $@

# Tests and checks need more, some of which has no wheels for the newest Python.
.venv/.dev: .venv/.ready
	./bootstrap.sh --dev
	touch $@
