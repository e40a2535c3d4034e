#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The exported mailboxes, taken by git am, b4 am and b4 shazam on a fresh base,
# give the composed tree. What b4 sends of the exported branches are the exported
# mails. A second version says what is new, and to which mail it belongs.
# The mails are looked at for each kernel there is, the rest is done with one.
# inputs: patches arch include virt tools/testing tools/series tools/check/mail.py tools/install tools/packages Makefile Documentation bases newer .b4-config
# limit: 1800
. "$(dirname "$0")/lib.sh"

command -v b4 > /dev/null || skip "no b4"
if [[ ${1:-} != mails ]]; then
	for other in "$TOP"/tools/series/bases/linux-*; do
		[[ ${other##*/} == "$BASENAME" ]] || LINUX=${other##*/linux-} PARTS='' LINUX_SRC='' "$0" mails
	done
fi
echo "$BASENAME"
repo=$TMP/repo
copy_with_tree "$repo"
export BUILD=$repo/build
tree=$BUILD/$BASENAME
series=$BUILD/series/$BASENAME
mapfile -t parts < "$tree/.git/series-parts"
base=$(git -C "$tree" rev-parse refs/series/base)
g() { git -C "$tree" "$@"; }
make_series() { make -s -C "$repo" BUILD="$BUILD" series "$@"; }
make_series
# b4 keeps a cache and settings; let them be ours. No network is needed.
b4() {
	XDG_DATA_HOME=$TMP/data XDG_CACHE_HOME=$TMP/cache \
	http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 command b4 --offline-mode "$@"
}

want=$(g rev-parse 'refs/series/composed^{tree}')
same() {
	[[ $(git -C "$TMP/t" rev-parse 'HEAD^{tree}') == "$want" ]] || fail "$1: not the composed tree"
	echo "$1: the composed tree"
	git -C "$TMP/t" checkout -q -B series "$base"
}
sparse_tree "$TMP/t" "$base"
cd "$TMP/t" || exit
for part in "${parts[@]}"; do
	git am -q "$series/$part/$part.mbx"
done
git log --format='%an %s%n%(trailers:key=Signed-off-by)' -3
same "git am"
for part in "${parts[@]}"; do
	git am -q --empty=drop "$series/$part/$part.cover.mbx"
done
same "git am, with the cover letter"
for part in "${parts[@]}"; do
	mkdir "$TMP/b4-$part"
	b4 am -m "$series/$part/$part.cover.mbx" -o "$TMP/b4-$part" --no-parent || fail "b4 am does not take $part.cover.mbx"
	git am -q "$TMP/b4-$part"/*.mbx
	grep -q "$(sed -n 3p "$repo/patches/$BASENAME/$part/cover")" "$TMP/b4-$part"/*.cover || fail "b4 am sees no cover letter"
done
same "b4 am"
for part in "${parts[@]}"; do
	b4 shazam -m "$series/$part/$part.mbx" || fail "b4 shazam does not take $part.mbx"
done
same "b4 shazam"
# The check can fail: a mailbox without its last patch.
git am -q "$series/${parts[0]}/${parts[0]}.mbx"
git reset -q --hard HEAD~1
[[ $(git rev-parse 'HEAD^{tree}') != "$(g rev-parse "b4/${parts[0]}^{tree}")" ]] || fail "a patch less, and the same tree"

# b4 refuses a tree with edits, and sends by the web unless told how.
g config sendemail.smtpserver localhost
sent() {
	local part=$1 mail mails
	rm -rf "$TMP/sent"
	g checkout -q "b4/$part"
	(cd "$tree" && b4 send -o "$TMP/sent" --no-sign) > "$TMP/out" 2>&1 || { cat "$TMP/out"; fail "b4 send does not take b4/$part"; }
	g checkout -q series
	mails=("$series/$part"/*.patch)
	[[ ${#mails[@]} -eq $(find "$TMP/sent" -type f | wc -l) ]] || fail "b4 sends another number of mails"
	for i in "${!mails[@]}"; do
		mail=("$TMP/sent/"*"000$i"-*.eml "$TMP/sent/"*"00$i"-*.eml)
		diff <("$TOP/tools/check/mail.py" "${mails[i]}") <("$TOP/tools/check/mail.py" "${mail[0]}") ||
			fail "b4 sends another mail than ${mails[i]##*/}"
	done
	echo "b4 send: the exported mails of $part"
}
for part in "${parts[@]}"; do
	sent "$part"
done

[[ ${1:-} != mails ]] || exit 0
echo "a second version"
part=${parts[0]} other=${parts[-1]}
first=$(sed -n 's/^Message-Id: //p' "$series/$part/0000-cover-letter.patch")
sed -i '0,/^$/s//\nA sentence of the second version.\n/' "$repo/patches/$BASENAME/$part"/0001-*.patch
make_series REVISION=2
letter=$series/$part/v2-0000-cover-letter.patch
grep -q "^In-Reply-To: $first" "$letter" || fail "no reply to the first version"
grep -q '^Subject: \[.* v2 0/' "$letter" || fail "it does not say which version it is"
grep -q '^Range-diff against v1:' "$letter" || fail "no range-diff"
grep -q '^ *+ *A sentence of the second version' "$letter" || fail "the range-diff does not have the change"
sent "$part"
# It stays what it is until somebody says that there is a third one.
make_series
[[ -f $letter ]] || fail "the second version is gone"
# Changed by somebody: kept.
tip=$(g rev-parse "b4/$part")
g checkout -q "b4/$part"
expect_failure "'git checkout series'" make_series
g commit -q --amend -m "KVM: Said in another way"
mine=$(g rev-parse HEAD)
g checkout -q series
make_series
g for-each-ref --format='%(objectname)' refs/heads/b4 | grep -q "$mine" || fail "a changed branch is gone"
[[ $(g rev-parse "b4/$part") != "$tip" ]] || fail "no new branch"

echo "only what is asked for, and only what is in patches/"
PARTS=$part make_series
[[ ! -e $series/$other || $part == "$other" ]] || fail "an old export of $other is still there"
make_series
echo '/* mine */' >> "$tree/virt/kvm/kvm_main.c"
expect_failure "not committed" make_series
g commit -q -a -m "KVM: Mine"
expect_failure "'make refresh' first" make_series
g reset -q --hard HEAD~1

echo "a tree of the user's: its commit, and no stable kernel's list"
! grep -rq '^base-commit:' "$series" || fail "a commit that nobody has"
grep -q "^prerequisite-patch-id:" "$series/$other"/*cover-letter.patch || [[ $part == "$other" ]] || fail "nothing of the patches before"
sparse_tree "$TMP/user" "$base"
sed -i 's/^SUBLEVEL = .*/SUBLEVEL = 0/' "$TMP/user/Makefile"
git -C "$TMP/user" commit -q -a -m "mainline"
LINUX_SRC=$TMP/user make_series
letter=("$series/$other"/*cover-letter.patch)
grep -q "^base-commit: $(git -C "$TMP/user" rev-parse HEAD)" "${letter[0]}" || fail "not the user's commit"
grep -q '^Subject: \[PATCH v' "${letter[0]}" || fail "a stable kernel's prefix"
! grep -q '^Cc:.*stable@' "${letter[0]}" || fail "a stable kernel's list"
