#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every commit of the other bases compiles, as check 30 has it for those of 6.12.y.
# limit: 7200
. "$(dirname "$0")/../check/lib.sh"

for base in 7.3.y 7.2.y; do
	echo "## $base"
	LINUX=$base PARTS='' LINUX_SRC='' "$TOP/tools/check/30-every-commit.sh" || fail "$base"
done
