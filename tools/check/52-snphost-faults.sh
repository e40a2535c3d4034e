#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Each check of the emulated SNP host that is taken out is missed by one of the
# bare-metal tests.
# inputs: tools/snphost/tests tools/snphost/qemu patches/qemu-$QEMU tools/build/qemu.sh bases
# limit: 1200
. "$(dirname "$0")/lib.sh"

qemu=$(make_qemu)
# Others may be at these tests meanwhile.
OUT=$BUILD/snphost-tests-faults QEMU_BUILD=${qemu%/*} "$TOP/tools/snphost/tests/faults"
