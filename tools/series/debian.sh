#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# debian.sh BASE
#
# The fixes of BASE as Debian's kernel package takes them, in
# build/debian/BASE/: patches for debian/patches/bugfix/x86/ with DEP-3 headers,
# and in series.add the lines for debian/patches/series, in order.
. "$(dirname "$0")/lib.sh"

[[ $# -eq 1 ]] || die "usage: debian.sh BASE"
base_load "$1"
[[ $BASE_KIND == linux ]] || die "$BASE is no kernel"
"$TOP/tools/series/compose.sh" "$BASE"
wt() { sgit -C "$WORKTREE" "$@"; }
out=$BUILD/debian/$BASE
new=$TMP/debian
mkdir -p "$new/bugfix/x86"

# origin COMMIT: where it comes from, in the words of DEP-3. A patch that stands
# in for an upstream commit names it.
origin() {
	local id
	id=$(wt log -1 --format=%b "$1" | grep -iE upstream | grep -oEm1 '\b[0-9a-f]{12,40}\b' | head -n 1 || true)
	if [[ -n $id ]]; then
		echo "Origin: backport, commit $id"
	else
		echo "Origin: other, kvm-snp-vmsa"
	fi
}

while read -r commit; do
	part=$(wt notes --ref=series show "$commit" | sed -n 's/^Part: //p')
	[[ $part == fix* ]] || continue
	name=bugfix/x86/$(wt log -1 --format=%f "$commit" | tr '[:upper:]' '[:lower:]').patch
	[[ ! -e $new/$name ]] || die "two patches of the name $name"
	{
		wt log -1 --format='From: %an <%ae>%nSubject: %s%nDate: %aD' "$commit"
		origin "$commit"
		echo "Forwarded: no"
		echo
		wt log -1 --format=%b "$commit" | sgit stripspace
		echo "---"
		wt diff-tree -p --no-renames --abbrev=12 "$commit^" "$commit"
	} > "$new/$name"
	echo "$name" >> "$new/series.add"
done < <(wt rev-list --reverse refs/series/base..refs/series/composed)
[[ -s $new/series.add ]] || die "no fix is composed on $BASE"

mkdir -p "$BUILD/debian"
rm -rf "$out"
mv "$new" "$out"
say "$BASE: $(wc -l < "$out/series.add") patches for debian/patches in ${out#"$TOP"/}, lines for series in series.add"
