#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Somebody notices each step of the protocol that is taken out of the series. In
# 7.3.y most of them are mainline's: those that the series has added. The others
# are for "make soak".
# inputs: tools patches arch include virt bases newer
# limit: 3000
set -o pipefail
cd "$(dirname "$0")/../protocol/mutants" || exit
# Each as it is judged.
{
	./check &&
	LINUX=7.3.y PARTS='' LINUX_SRC='' ./check 08-wait 20-only-look 21-keep-gpa 22-put-page 24-private \
		populate-source populate-unlock populate-uptodate
} | sed -u 's/^/## /'
