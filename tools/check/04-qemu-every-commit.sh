#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every commit of the QEMU series builds, and gives no warning in a file that
# the series touches. It takes longest and needs no kernel: early, it keeps the
# CPUs busy while the kernel's base is fetched.
# inputs: patches/qemu-$QEMU tools/snphost/qemu tools/build/qemu.sh tools/series bases
# limit: 2400
. "$(dirname "$0")/lib.sh"
QTREE=qemu-$QEMU
[[ -d $TOP/patches/$QTREE ]] || skip "no patches for $QTREE"
"$TOP/tools/series/compose.sh" "$QTREE"

# A work tree of its own, moved from commit to commit.
repo=$BUILD/$QTREE/.git
walk=$BUILD/walk/$QTREE
one_at_a_time "$BUILD/walk-qemu"
if [[ ! -d $walk/.git ]]; then
	mkdir -p "${walk%/*}"
	new_tree "$repo" "$TMP/walk"
	mv "$TMP/walk" "$walk"
fi
see_objects "$repo" "$walk/.git"
base=$(git -C "$BUILD/$QTREE" rev-parse refs/series/base)
mapfile -t commits < <(git -C "$BUILD/$QTREE" rev-list --reverse "$base..refs/series/composed")
[[ ${#commits[@]} -gt 0 ]] || fail "no commits"

# build: what is checked out; $TMP/warned is what gcc warns of in touched files,
# without line numbers.
git -C "$BUILD/$QTREE" diff --name-only "$base" "${commits[-1]}" > "$TMP/touched"
log=$BUILD/walk/logs/$QTREE-build.log
build() {
	local status=0
	rm -f "$log"
	BUILD=$BUILD/walk "$TOP/tools/build/qemu.sh" "$QTREE" > "$TMP/out" 2>&1 || status=$?
	{ grep 'warning:' "$log" || true; } | { grep -F -f "$TMP/touched" || true; } |
		sed -E 's,:[0-9]+(:[0-9]+)?:,:,' | sort -u > "$TMP/warned"
	return $status
}

# The base is only compiled if there is something to compare with.
known() {
	[[ ! -f $TMP/known ]] || return 0
	echo "the base"
	mv "$TMP/warned" "$TMP/warned-now"
	sgit -C "$walk" checkout -q --detach --force "$base"
	build || { tail -n 3 "$TMP/out"; fail "the base does not build (log: $log)"; }
	mv "$TMP/warned" "$TMP/known"
	mv "$TMP/warned-now" "$TMP/warned"
}
n=0
for commit in "${commits[@]}"; do
	n=$((n + 1))
	subject=$(git -C "$walk" log -1 --format=%s "$commit")
	start=$SECONDS
	sgit -C "$walk" checkout -q --detach --force "$commit"
	build || { tail -n 3 "$TMP/out"; fail "'$subject' does not build (log: $log)"; }
	if [[ -s $TMP/warned ]]; then
		known
		comm -13 "$TMP/known" "$TMP/warned" > "$TMP/new"
		[[ ! -s $TMP/new ]] || { cat "$TMP/new"; fail "'$subject' gives new warnings (log: $log)"; }
	fi
	echo "$n of ${#commits[@]}, $((SECONDS - start)) s: $subject"
done

# It has to see a warning and an error.
file=hw/i386/snp-rmp.c
echo 'static void unused_by_anyone(void) { }' >> "$walk/$file"
build || fail "more than a warning: $(tail -n 3 "$TMP/out")"
grep -q unused_by_anyone "$TMP/warned" || fail "a warning is not seen"
echo 'this is no C' >> "$walk/$file"
! build || fail "an error is not seen"
sgit -C "$walk" checkout -q --force HEAD -- "$file"
