#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The main job for 7.2.y, whose patches are 7.3.y's but for what differs.
# limit: 3600
. "$(dirname "$0")/../check/lib.sh"

LINUX=7.2.y QEMU=$QEMU PARTS='' LINUX_SRC='' "$TOP/tools/verdict/run"
