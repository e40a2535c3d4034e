#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The model of the protocol holds, and does not without any one of its steps.
# inputs: tools/model
. "$(dirname "$0")/lib.sh"
command -v spin > /dev/null || skip "no spin"
"$TOP/tools/model/run"
