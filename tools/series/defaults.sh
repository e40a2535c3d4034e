# SPDX-License-Identifier: GPL-2.0-only
# The bases that are meant where none is named; sourced, not run.
# shellcheck shell=sh
: "${LINUX:=6.12.y}" "${QEMU:=10.0}"
