#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The kinds of guests that check 63 has no time for.
# limit: 7200
exec "$(dirname "$0")/../check/guests.sh" 'snp 2' 'snp 2 hashes' 'none 2'
