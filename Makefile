# Typed by people: make, make test, make reproduce. CMake does the work; this file knows what must be installed
# first. Every target sets itself up, so that a fresh clone on a fresh Debian 12 needs no other command.

# Debian's packages, the one list of them. SETUP=no leaves the machine as it is.
BUILD_PACKAGES = build-essential cmake ninja-build pkg-config git libczmq-dev libzmq3-dev libconfig-dev \
    libblis-pthread-dev libjansson-dev libcurl4-openssl-dev libarchive-dev libgsl-dev libmd-dev libxxhash-dev libcmocka-dev
RUN_PACKAGES = gnuplot-nox ca-certificates
TEST_PACKAGES = procps iproute2 util-linux python3 spin clang libclang-rt-dev chromium poppler-utils \
    gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static mmdebstrap
CLUSTER_PACKAGES = docker.io docker-registry openssh-server openssh-client iptables slurm-wlm munge podman runc
BENCH_PACKAGES = python3-torch libdnnl-dev
PACKAGE_PACKAGES = dpkg-dev file
FORMAT_PACKAGES = clang-format

# Where CIFAR-10 lies as pictures, for a machine that cannot fetch it: a folder with an unpack.py. Not required.
DMLX_PICTURES ?= ../shared/cifar10
PICTURE_PACKAGES = $(if $(wildcard $(DMLX_PICTURES)/unpack.py),python3 python3-pil)
SETUP ?= yes
RELEASE = build/release

setup = @SETUP=$(SETUP) sh cmake/packages.sh

.DEFAULT_GOAL = build
.PHONY: build test sanitize reproduce bench install package format clean help

build: ## the program, in build/release/runner/dmlx
	$(setup) $(BUILD_PACKAGES)
	@cmake --preset release --log-level=WARNING && cmake --build --preset release

test: ## every test: sanitizers, release, threads
	$(setup) $(BUILD_PACKAGES) $(RUN_PACKAGES) $(TEST_PACKAGES) $(CLUSTER_PACKAGES) $(PICTURE_PACKAGES)
	@DMLX_PICTURES='$(DMLX_PICTURES)' bash tests/support/test_all.sh

sanitize: ## every test under the sanitizers, those too that are too slow so for `make test`: hours
	$(setup) $(BUILD_PACKAGES) $(RUN_PACKAGES) $(TEST_PACKAGES) $(CLUSTER_PACKAGES) $(PICTURE_PACKAGES)
	@DMLX_PICTURES='$(DMLX_PICTURES)' WHOLE=yes PRESETS='dev tsan' bash tests/support/test_all.sh

reproduce: build ## the paper's tables and figures, measured on this machine
	$(setup) $(RUN_PACKAGES) $(PICTURE_PACKAGES)
	@DMLX_PICTURES='$(DMLX_PICTURES)' bash experiments/reproduce.sh $(RELEASE)/runner/dmlx

bench: ## speed of engine and rounds, beside PyTorch and oneDNN
	$(setup) $(BENCH_PACKAGES) $(PICTURE_PACKAGES)
	@$(MAKE) --no-print-directory build
	@DMLX_PICTURES='$(DMLX_PICTURES)' bash tests/bench/run.sh $(RELEASE)

install: build ## program, man page and completion, into PREFIX (/usr/local)
	@cmake --install $(RELEASE) $(if $(PREFIX),--prefix '$(PREFIX)')

package: build ## a .deb and a tar.gz, in build/release
	$(setup) $(PACKAGE_PACKAGES)
	@cd $(RELEASE) && cpack -G 'DEB;TGZ'

format: ## clang-format over every C file
	$(setup) $(FORMAT_PACKAGES)
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean: ## removes build/; results/ stay
	rm -rf build

help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 18
