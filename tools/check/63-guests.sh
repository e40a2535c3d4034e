#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Guests of each kind boot on the emulated host and find what they were promised.
# inputs: tools patches/linux-6.12.y patches/qemu-$QEMU arch include virt bases
# limit: 3000
exec "$(dirname "$0")/guests.sh" 'snp 1' 'snp 4' 'sev-es 2' 'sev 2'
