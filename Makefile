# SPDX-License-Identifier: GPL-2.0-only
# kvm-snp-vmsa: see README.md, or "make help".

# The base, and which parts of the series to put on it (default: all it has).
LINUX ?= $(shell . ./tools/series/defaults.sh; echo "$$LINUX")
QEMU ?= $(shell . ./tools/series/defaults.sh; echo "$$QEMU")
# DEBUG and RELEASE are for run, REVISION is the version of an exported series.
export LINUX QEMU PARTS LINUX_SRC QEMU_SRC DEBUG RELEASE REVISION

SERIES := tools/series
TREE := linux-$(LINUX)
QTREE := qemu-$(QEMU)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run check soak demo series debian tree refresh rebase kernel kselftest compare qemu qemu-tree \
	qemu-refresh qemu-rebase qemu-series modules check-mutants coverage bench bench-snphost docs install update

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## the main job: the hole in a real kernel, and closed; one verdict
	@tools/verdict/run

check: install ## everything that must hold; ends with "N passed, N failed"
	@tools/check/run

soak: install ## checks that take hours; the last result of each in Documentation/project/soak.rst
	@tools/soak/run

demo: ## the hole in a real guest: its VMSA punched, on both kernels of make run
	@tools/verdict/demo

series: install ## export build/series/BASE/PART/*.patch and .mbx, signed off by you
	@$(SERIES)/export.sh $(TREE)

tree: install ## composed kernel work tree build/linux-BASE, one commit a patch
	@$(SERIES)/compose.sh $(TREE)

refresh: install ## from the commits of that work tree back into patches/ and whole files
	@$(SERIES)/refresh.sh $(TREE)

rebase: install ## edits in patches/ and commits in the work tree: the latter on top
	@$(SERIES)/compose.sh $(TREE) --rebase

kernel: install tree ## the composed kernel, small config with debugging
	@tools/build/kernel.sh $(TREE) debug

modules: install tree ## kvm.ko and kvm-amd.ko with the series for Debian's kernel [RELEASE=uname -r]
	@tools/build/modules.sh $(TREE) $(RELEASE)

kselftest: install tree ## static selftests, and a tarball for a real SNP host
	@tools/build/kselftest.sh $(TREE)

compare: kernel kselftest qemu ## upstream's selftests on the base and on the series, without SNP
	@before=$$(tools/build/base-kernel.sh $(TREE) debug) && \
	SNPHOST_QEMU=build/$(QTREE)-build/qemu-system-x86_64 tools/check/compare.sh "$$before" build/$(TREE)/obj-debug/arch/x86/boot/bzImage build/kselftest-$(TREE)

debian: ## the fixes as files for debian/patches of Debian's kernel package
	@$(SERIES)/debian.sh $(TREE)

qemu: install qemu-tree ## the emulated SNP host
	@tools/build/qemu.sh $(QTREE)

qemu-tree: install ## like tree, for QEMU
	@$(SERIES)/compose.sh $(QTREE)

qemu-refresh: install ## like refresh
	@$(SERIES)/refresh.sh $(QTREE)

qemu-rebase: install ## like rebase
	@$(SERIES)/compose.sh $(QTREE) --rebase

qemu-series: install ## like series
	@$(SERIES)/export.sh $(QTREE)

check-mutants: install ## take out each step of the protocol; who notices?
	@for base in tools/protocol/mutants/linux-*; do LINUX=$${base#*/linux-} tools/protocol/mutants/check || exit 1; done
	@tools/protocol/mutants/table > build/mutants.rst && cp build/mutants.rst Documentation/project/mutants.rst
	@tools/protocol/mutants/matrix > Documentation/project/mutants.svg

coverage: install ## which lines of the series the selftests run; why not the others
	@tools/protocol/coverage/run linux-6.12.y linux-7.3.y > build/coverage.rst && cp build/coverage.rst Documentation/project/coverage.rst

bench: qemu ## what a punch costs against the number of vCPUs, in instructions
	@tools/bench/run

bench-snphost: qemu ## what the emulation costs
	@tools/snphost/bench

docs: install ## the pictures, from their sources, and the manual, in build/docs
	@tools/docs

install: ## the packages of tools/packages, if root; else what to install
	@tools/install

update: ## look for newer packages of the bases, and binaries
	@$(SERIES)/base.sh $(TREE) --update
	@tools/snphost/debian-kernel.sh $(TREE) --update
	@$(SERIES)/base.sh $(QTREE) --update
