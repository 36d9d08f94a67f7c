# Two commands do everything: `make bench` and `make test`. CONTRIBUTING.md tells the others.
.DEFAULT_GOAL := help
.PHONY: help bench test test-all check format clean

BENCH_OPTIONS ?=
TEST_OPTIONS ?=

# Images of containers often set this to stay small; here it would have Ansible compile itself at
# every call, which takes as long as what it does.
unexport PYTHONDONTWRITEBYTECODE

# What the suite starts for real. What provisioning would install is here too: the suite compares
# the machine before and after, and packages stay installed.
TEST_PACKAGES := apparmor busybox-static chromium conmon crun debian-archive-keyring docker.io \
    e2fsprogs ethtool fdisk grub-common grub-pc-bin iproute2 iptables libfaketime libvirt-clients \
    libvirt-daemon-system libxml2-utils lxc mmdebstrap netavark netcat-openbsd \
    openssh-client openssh-server podman poppler-utils qemu-system-x86 qemu-utils runc runsc \
    util-linux zstd

help:
	@echo 'make bench     set up, provision what this machine can run, measure, print, take down'
	@echo '               (options: make bench BENCH_OPTIONS="--preset smoke --budget 10m")'
	@echo 'make test      set up, run the test suite without its long tests'
	@echo 'make test-all  the same with them: two machines with real KVM on the second, which is'
	@echo '               a guest made for it, and the long statistical and load checks'
	@echo 'make check     formatting, lint, types, imports, roles'
	@echo 'make format    put the code into its format'
	@echo 'make clean     take everything down and remove caches, images, packages of Python, .venv'

bench: .venv/.ready
	.venv/bin/baremark bench $(BENCH_OPTIONS)

test: check
	.venv/bin/baremark setup $(TEST_PACKAGES)
	.venv/bin/pytest -m 'not long' -n 2 tests/unit tests/contract tests/dataset $(TEST_OPTIONS)
	.venv/bin/pytest -m 'not long' tests/system tests/bench $(TEST_OPTIONS)

test-all: check
	.venv/bin/baremark setup $(TEST_PACKAGES)
	.venv/bin/pytest --benchmark-enable $(TEST_OPTIONS)

check: .venv/.dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/ansible-lint --offline -c playbooks/.ansible-lint playbooks inventories

format: .venv/.dev
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

clean:
	if [ -x .venv/bin/baremark ]; then .venv/bin/baremark down --purge; fi
	rm -rf .venv .cache .benchmarks .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .ansible
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The only packages that Ansible cannot install are those that it needs itself.
.venv/.ready: pyproject.toml uv.lock bootstrap.sh
	./bootstrap.sh
	touch $@

# Tests and checks need more, some of which has no wheels for the newest Python.
.venv/.dev: .venv/.ready
	./bootstrap.sh --dev
	touch $@
