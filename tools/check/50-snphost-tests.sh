#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The emulated SNP host's own bare-metal tests pass.
# inputs: tools/snphost patches/qemu-$QEMU tools/build/qemu.sh bases
# limit: 1800
. "$(dirname "$0")/lib.sh"

make_qemu
"$TOP/tools/snphost/tests/run"
