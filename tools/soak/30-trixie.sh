#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# On Debian 13: make run from nothing to its verdict, in a chroot that has no
# package but apt, and no cache of ours.
# limit: 10800
. "$(dirname "$0")/../check/lib.sh"

"$TOP/tools/check/trixie.sh" 'tools/install && make run' | tee "$TMP/out"
echo "$(grep '^Debian ' "$TMP/out"): $(grep '^VERDICT: ' "$TMP/out")"
