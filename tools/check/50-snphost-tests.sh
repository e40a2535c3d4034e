#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The emulated SNP host's own bare-metal tests pass.
# inputs: tools/snphost patches/qemu-7.2 tools/qemu.sh bases
# limit: 1800
. "$(dirname "$0")/lib.sh"
QTREE=qemu-${QEMU:-7.2}
[[ -d $TOP/patches/$QTREE ]] || skip "no patches for $QTREE"
"$TOP/tools/series/compose.sh" "$QTREE"
"$TOP/tools/qemu.sh" "$QTREE"
"$TOP/tools/snphost/tests/run"
