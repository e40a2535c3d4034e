#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Each step of the protocol is missed by somebody when it is taken out.
# inputs: tools patches arch include virt bases
# limit: 3000
. "$(dirname "$0")/lib.sh"

"$TOP/tools/series/compose.sh" "$BASENAME"
"$TOP/tools/series/compose.sh" "qemu-${QEMU:-7.2}"
"$TOP/tools/qemu.sh" "qemu-${QEMU:-7.2}"
tests=$("$TOP/tools/kernel/kselftest.sh" "$BASENAME")
config=$("$TOP/tools/kernel/kernel.sh" "$BASENAME" modules --config)
"$TOP/tools/mutants/run" "$BUILD/$BASENAME" "$config" "$tests/x86_64/sev_snp_vmsa_punch_hole_test"
