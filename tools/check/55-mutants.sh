#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Somebody notices each step of the protocol that is taken out of the series.
# inputs: tools patches arch include virt bases
# limit: 2400
set -o pipefail
# Each as it is judged.
"$(dirname "$0")/../mutants/check" | sed -u 's/^/## /'
