#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The exported mailboxes, taken by git am, b4 am and b4 shazam on a fresh base,
# give the composed tree.
# inputs: patches arch include virt tools/testing tools/series Documentation bases .b4-config
. "$(dirname "$0")/lib.sh"

command -v b4 > /dev/null || skip "no b4"
cd "$TOP" || exit
make -s series
tree=$BUILD/$BASENAME
base=$(git -C "$tree" rev-parse refs/series/base)
series=$BUILD/series/$BASENAME
mapfile -t parts < "$tree/.git/series-parts"
# b4 keeps a cache and settings; let them be ours. No network is needed.
export XDG_DATA_HOME=$TMP/data XDG_CACHE_HOME=$TMP/cache
export http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9

want=$(git -C "$tree" rev-parse 'refs/series/composed^{tree}')
same() {
	[[ $(git -C "$1" rev-parse 'HEAD^{tree}') == "$want" ]] || fail "$2: not the composed tree"
	echo "$2: the composed tree"
}

sparse_tree "$TMP/t" "$base"
for part in "${parts[@]}"; do
	[[ ! -f $series/$part/$part.mbx ]] || git -C "$TMP/t" am -q "$series/$part/$part.mbx"
done
same "$TMP/t" "git am"
git -C "$TMP/t" log --format='%an %s%n%(trailers:key=Signed-off-by)' -3

git -C "$TMP/t" checkout -q -B series "$base"
for part in "${parts[@]}"; do
	[[ -f $series/$part/$part.mbx ]] || continue
	mkdir "$TMP/b4-$part"
	(cd "$TMP/t" && b4 --offline-mode am -m "$series/$part/$part.mbx" -o "$TMP/b4-$part" --no-parent) ||
		fail "b4 am does not take $part.mbx"
	git -C "$TMP/t" am -q "$TMP/b4-$part"/*.mbx
done
same "$TMP/t" "b4 am"

git -C "$TMP/t" checkout -q -B series "$base"
for part in "${parts[@]}"; do
	[[ -f $series/$part/$part.mbx ]] || continue
	(cd "$TMP/t" && b4 --offline-mode shazam -m "$series/$part/$part.mbx") ||
		fail "b4 shazam does not take $part.mbx"
done
same "$TMP/t" "b4 shazam"

# The check can fail: a mailbox without its last patch.
git -C "$TMP/t" reset -q --hard HEAD~1
[[ $(git -C "$TMP/t" rev-parse 'HEAD^{tree}') != "$want" ]] || fail "a patch less, and the same tree"
