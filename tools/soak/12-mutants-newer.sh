#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Somebody notices each step that is taken out of 7.3.y, mainline's own as well, and
# each case that takes a VMSA away fails without the series, but for those that
# mainline's fix passes.
# limit: 7200
export LINUX=7.3.y PARTS='' LINUX_SRC=''
. "$(dirname "$0")/../check/lib.sh"

"$TOP/tools/protocol/mutants/check"
echo "$(wc -l < "$BUILD/mutants-linux-7.3.y/whole") rows, none without somebody who notices"
