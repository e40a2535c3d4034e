#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The main job for 7.3.y.
# inputs: tools patches arch include virt bases newer
# limit: 3600
. "$(dirname "$0")/lib.sh"

LINUX=7.3.y QEMU=$QEMU PARTS='' LINUX_SRC='' "$TOP/tools/verdict/run"
