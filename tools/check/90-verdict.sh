#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The main job: the distribution's kernel, dead with its own modules, whole with
# ours.
# inputs: tools patches arch include virt bases
# limit: 3600
. "$(dirname "$0")/lib.sh"

LINUX=$LINUX QEMU=$QEMU "$TOP/tools/run"
