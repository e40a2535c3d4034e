#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The protocol holds in all interleavings, and not without any one of its steps.
# inputs: tools/model
set -euo pipefail
exec "$(dirname "$0")/../model/run"
