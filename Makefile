# SPDX-License-Identifier: GPL-2.0-only
# kvm-snp-vmsa: see README.md, or "make help".

# The base, and which parts of the series to put on it (default: all it has).
LINUX ?= 6.12.y
QEMU ?= 7.2
export LINUX QEMU PARTS LINUX_SRC QEMU_SRC

SERIES := tools/series
TREE := linux-$(LINUX)
QTREE := qemu-$(QEMU)

.DEFAULT_GOAL := help
.PHONY: help tree refresh series update qemu-tree qemu-refresh qemu-series

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

tree: ## composed kernel work tree build/linux-BASE, one commit a patch
	@$(SERIES)/compose.sh $(TREE)

refresh: ## from the commits of that work tree back into patches/ and whole files
	@$(SERIES)/refresh.sh $(TREE)

series: ## export build/series/BASE/PART/*.patch and .mbx, signed off by you
	@$(SERIES)/export.sh $(TREE)

qemu-tree: ## the same for QEMU: compose,
	@$(SERIES)/compose.sh $(QTREE)

qemu-refresh: ## refresh,
	@$(SERIES)/refresh.sh $(QTREE)

qemu-series: ## export
	@$(SERIES)/export.sh $(QTREE)

update: ## look for newer packages of the bases
	@$(SERIES)/base.sh $(TREE) --update
	@$(SERIES)/base.sh $(QTREE) --update
