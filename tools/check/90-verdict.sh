#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The main job: the distribution's kernel, dead with its own modules, whole with
# ours, and with a kernel of ours that watches itself.
# inputs: tools patches arch include virt bases
# limit: 3600
. "$(dirname "$0")/lib.sh"

LINUX=$LINUX QEMU=$QEMU "$TOP/tools/verdict/run"
LINUX=$LINUX QEMU=$QEMU DEBUG=1 "$TOP/tools/verdict/run"
