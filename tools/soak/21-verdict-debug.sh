#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The main job for 7.3.y with a kernel that watches itself.
# limit: 3600
. "$(dirname "$0")/../check/lib.sh"

LINUX=7.3.y QEMU=$QEMU PARTS='' LINUX_SRC='' DEBUG=1 "$TOP/tools/verdict/run"
