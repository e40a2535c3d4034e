#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Nothing that somebody wrote is thrown away: edits of this repo, commits of the
# work tree, a tree that could not be made, the cache that all clones share.
# inputs: patches arch include virt tools/testing tools/series Documentation bases
. "$(dirname "$0")/lib.sh"

repo=$TMP/repo
copy_with_tree "$repo"
tree=$repo/build/$BASENAME
export BUILD=$repo/build
compose() { "$repo/tools/series/compose.sh" "$BASENAME" "$@"; }
refresh() { "$repo/tools/series/refresh.sh" "$BASENAME"; }
g() { git -C "$tree" -c sequence.editor=: -c core.editor=: "$@"; }
base_load "$BASENAME"
part=${BASE_PARTS##* }
# A whole file and a patch of the last part.
for patch in "$repo/patches/$BASENAME/$part"/*.patch; do
	here=$(whole_files "$patch" | grep '\.c$' | head -1 || true)
	[[ -z $here ]] || break
done
there=$(to_base "$here")
[[ -n $here ]] || fail "no patch adds a C file"

echo "1: edits of this repo, and refresh"
refresh
compose
echo '/* edited here */' >> "$repo/$here"
expect_failure "'make tree'" refresh
grep -q 'edited here' "$repo/$here" || fail "the edit of a whole file is gone"
compose
refresh
sed -i 's/^---$/A line edited here.\n---/' "$patch"
expect_failure "'make tree'" refresh
grep -q '^A line edited here' "$patch" || fail "the edit of a message is gone"
compose
refresh
sed -i 's/^---$/---\nA note edited here./' "$patch"
expect_failure "'make tree'" refresh
grep -q '^A note edited here' "$patch" || fail "the edit of the notes is gone"
compose
refresh
grep -q '^A note edited here' "$patch" || fail "the edit of the notes is gone"
cp -r "$repo/patches" "$TMP/before"

echo "2: edits here, commits there: neither alone, then both"
# There: a commit of the series changed, one added. Here: the same one's file,
# another one's message.
commit=$(g log --format=%H --diff-filter=A -- "$there")
echo '/* edited there */' | cat - "$tree/$there" > "$TMP/edited"
cp "$TMP/edited" "$tree/$there"
g commit -q -a --fixup="$commit"
g rebase -q -i --autosquash refs/series/base
printf 'int main(void)\n{\n\treturn 0;\n}\n' > "$tree/tools/testing/selftests/kvm/kept_test.c"
g add -f tools/testing/selftests/kvm/kept_test.c
g commit -q -m "KVM: selftests: Add a test that is kept"
sed -i 's/edited here/edited here again/' "$repo/$here" "$patch"
other=("$repo/patches/$BASENAME/$part"/0001-*.patch)
sed -i 's/^---$/Another line edited here.\n---/' "${other[0]}"
expect_failure "'make rebase'" refresh
expect_failure "'make rebase'" compose
compose --rebase
refresh
compose
for text in 'edited here again' 'edited there'; do
	grep -q "$text" "$repo/$here" || fail "'$text' is not in the whole file"
	grep -q "$text" "$tree/$there" || fail "'$text' is not in the work tree"
done
grep -q '^A line edited here again' "$patch" || fail "the edit of the message is gone"
grep -q '^A note edited here again' "$patch" || fail "the edit of the notes is gone"
grep -q '^Another line edited here' "${other[0]}" || fail "the edit of another message is gone"
grep -rqs kept_test.c "$repo/patches/$BASENAME" || fail "the new commit is gone"
refresh

echo "3: the same line edited here and there: git stops, and lets go back"
sed -i 's/edited there/edited there twice/' "$tree/$there"
commit=$(g log --format=%H --diff-filter=A -- "$there")
g commit -q -a --fixup="$commit"
g rebase -q -i --autosquash refs/series/base
sed -i 's/edited there/edited here thrice/' "$repo/$here"
mine=$(g rev-parse HEAD)
expect_failure "git rebase --continue" compose --rebase
expect_failure "in the middle of a rebase" refresh
expect_failure "in the middle of a rebase" compose
g rebase --abort
[[ $(g rev-parse HEAD) == "$mine" ]] || fail "not back where it was"
expect_failure "'make rebase'" refresh
grep -q 'edited here thrice' "$repo/$here" || fail "the edit here is gone"
! compose --rebase > "$TMP/out" 2>&1 || fail "no conflict"
sed -i '/^<<<<<<<\|^=======\|^>>>>>>>/d' "$tree/$there"
g add "$there"
g -c core.editor=true rebase --continue > "$TMP/out" 2>&1 || { cat "$TMP/out"; fail "cannot go on"; }
refresh
grep -q 'edited here thrice' "$repo/$here" || fail "the edit here is gone"
grep -q 'edited there twice' "$repo/$here" || fail "the edit there is gone"

# The same for a commit that is new on both sides.
new_here() {
	echo "$1" > "$tree/tools/testing/selftests/kvm/new_file"
	g add -f tools/testing/selftests/kvm/new_file
	g commit -q -m "KVM: selftests: New on both sides"
}
compose
cp -r "$repo/patches" "$TMP/without"
new_here "of somebody else's"
refresh
mv "$repo/patches" "$TMP/with"
mv "$TMP/without" "$repo/patches"
compose
new_here "of mine"
rm -r "$repo/patches"
mv "$TMP/with" "$repo/patches"
expect_failure "'make rebase'" refresh
expect_failure "git rebase --continue" compose --rebase
g rebase --abort
grep -q "of mine" "$tree/tools/testing/selftests/kvm/new_file" || fail "not back where it was"
g reset -q --hard HEAD~1

echo "4: a user's tree, and the cache"
content() { find "$XDG_CACHE_HOME" -type f | sort | xargs sha256sum; }
content > "$TMP/content"
# One with the series in it, as somebody may have it.
compose
git clone -q --shared --no-checkout "$tree" "$TMP/clone"
count=$(g rev-list --count refs/series/base..refs/series/composed)
twice() { LINUX_SRC=$TMP/clone PARTS=$part compose; }
expect_failure "does not apply" twice
compose
[[ $(g rev-list --count refs/series/base..HEAD) == "$count" ]] || fail "the series became another one"
content | diff "$TMP/content" - || fail "the cache was written"

echo "5: a first tree that is interrupted"
# It waits in the middle of the files, and says so.
sparse_tree "$TMP/waits" "$(g rev-parse refs/series/base)"
echo 'Makefile filter=wait' > "$TMP/waits/.gitattributes"
git -C "$TMP/waits" add --sparse .gitattributes
git -C "$TMP/waits" commit -q -m "A tree that waits"
first() { LINUX_SRC=$TMP/waits BUILD=$TMP/first "$repo/tools/series/compose.sh" "$BASENAME"; }
mkdir "$TMP/first"
first=$TMP/first/$BASENAME
set -m
GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=filter.wait.smudge \
	GIT_CONFIG_VALUE_0="touch $TMP/waiting; sleep 5; cat" first > "$TMP/out" 2>&1 &
pid=$!
set +m
for ((i = 0; i < 600; i++)); do
	[[ ! -e $TMP/waiting ]] || break
	sleep 0.1
done
[[ -e $TMP/waiting ]] || { cat "$TMP/out"; fail "it does not get as far as to check out"; }
kill -INT -- "-$pid"
! wait "$pid" || fail "interrupted, and exit status 0"
[[ ! -e $first ]] || fail "something is left of the tree"
first
[[ -z $(git -C "$first" status --porcelain -uno) ]] || fail "the tree is not whole"

echo "6: a first tree that finds no room"
if unshare -m true 2> /dev/null; then
	rm -rf "${TMP:?}/first"
	mkdir "$TMP/first"
	full() {
		# shellcheck disable=SC2016 # for the shell in there
		unshare -m bash -c 'mount -t tmpfs -o size=32m none "$1" && BUILD=$1 "$2" "$3"' \
			bash "$TMP/first" "$repo/tools/series/compose.sh" "$BASENAME"
	}
	expect_failure "no room" full
else
	echo "no mount name space here: not tried"
fi
