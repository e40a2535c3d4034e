#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# base-kernel.sh TREE CONFIG: the kernel of build/TREE without the series, built
# in build/TREE-base. Prints the path of the bzImage.
. "$(dirname "$0")/../series/lib.sh"

[[ $# -eq 2 ]] || die "usage: base-kernel.sh TREE CONFIG"
tree=$BUILD/$1-base
one_at_a_time "$tree"
base=$(git -C "$BUILD/$1" rev-parse refs/series/base)
if [[ ! -d $tree/.git ]]; then
	say "$1: checking out the base" >&2
	# A third of the kernel is drivers for graphics, of which it has none.
	new_tree "$BUILD/$1/.git" "$TMP/base" '/*' '!/drivers/gpu/drm/*/**/*.[ch]'
	sgit -C "$TMP/base" checkout -q --detach "$base"
	mv "$TMP/base" "$tree"
fi
see_objects "$BUILD/$1/.git" "$tree/.git"
[[ $(git -C "$tree" rev-parse HEAD) == "$base" ]] || sgit -C "$tree" checkout -q --detach "$base"
"$TOP/tools/build/kernel.sh" "$1-base" "$2"
