#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Compose, edit the commits with ordinary git, refresh, compose again: the same
# trees, byte for byte. With an edited commit, a new file, a reordered commit.
# inputs: patches arch include virt tools/testing tools/series Documentation bases
. "$(dirname "$0")/lib.sh"

repo=$TMP/repo
copy_with_tree "$repo"
tree=$repo/build/$BASENAME
export BUILD=$repo/build
compose() { "$repo/tools/series/compose.sh" "$BASENAME"; }
refresh() { "$repo/tools/series/refresh.sh" "$BASENAME"; }
trees() { git -C "$tree" log --format='%T %s' refs/series/base..HEAD; }
g() { git -C "$tree" -c sequence.editor=: -c core.editor=: "$@"; }

echo "1: composed twice, the same commits"
first=$(git -C "$tree" rev-parse HEAD)
rm "$tree/.git/series-now"	# by which it knows
compose
[[ $(git -C "$tree" rev-parse HEAD) == "$first" ]] || fail "composing again gave other commits"

echo "2: refresh of what was composed changes nothing but form"
refresh
cp -r "$repo/patches" "$TMP/patches"
compose
refresh
diff -r "$TMP/patches" "$repo/patches" || fail "refresh is not stable"

echo "3: a patch and a part that are another base's as well"
shared=$repo/patches/linux-shared
mine=$repo/patches/$BASENAME
mkdir -p "$shared/fix"
patch=("$mine/fix"/0001-*.patch)
cp -L "${patch[0]}" "$shared/fix/"
cp -rL "$mine/tests" "$shared/"
rm -r "${patch[0]}" "$mine/tests"
# With lines in other places, as in another base.
sed -i -E 's/^index [0-9a-f]*/index 0123456789ab/; s/^@@ -([0-9]*)(.*) @@.*/@@ -\10\2 @@/' "$shared"/*/*.patch
ln -s "../../linux-shared/fix/${patch[0]##*/}" "$mine/fix/"
ln -s ../linux-shared/tests "$mine/tests"
cp -r "$shared" "$TMP/shared"
compose
refresh
[[ -L ${patch[0]} && -L $mine/tests ]] || fail "links are not kept"
tip=$(g rev-parse HEAD)
for edit in fix tests; do
	for commit in $(g rev-list --reverse refs/series/base..HEAD); do
		[[ $(g notes --ref=series show "$commit" | head -n 1) != "Part: $edit" ]] || break
	done
	GIT_SEQUENCE_EDITOR="sed -i '/^pick ${commit:0:7}/s/\$/\nexec git commit --amend -q --no-edit --trailer Cc:edited/'" \
		git -C "$tree" -c core.editor=: rebase -q -i refs/series/base
	refresh
done
[[ ! -L ${patch[0]} && ! -L $mine/tests && -f $mine/tests/cover ]] || fail "what was edited is another base's still"
for patch in "$mine"/{fix,tests}/0001-*.patch; do
	grep -q 'Cc: edited' "$patch" || fail "an edit is in no patch"
done
diff -r "$TMP/shared" "$shared" || fail "another base's patch was written"
g reset -q --hard "$tip"
refresh

echo "4: a new test with a new file, and a commit that it can change places with"
new=$(to_base tools/testing/selftests/kvm/x86_64/round_trip_test.c)
mkdir -p "$tree/${new%/*}"
printf 'int main(void)\n{\n\treturn 0;\n}\n' > "$tree/$new"
g add -f "$new"
g commit -q -m "KVM: selftests: Add a test of the round trip"
printf '\nRound trip\n' >> "$tree/Documentation/virt/kvm/index.rst"
printf 'A page\n' > "$tree/Documentation/virt/kvm/round-trip.rst"
g add Documentation/virt/kvm
g commit -q -m "Documentation: KVM: Add a page with ümlauts"
refresh
before=$(trees)
grep -rqs round_trip_test.c "$repo/patches/$BASENAME/tests" || fail "the patch does not name its new file"
[[ -f $repo/tools/testing/selftests/kvm/x86_64/round_trip_test.c ]] || fail "the new file did not come home"
compose
[[ $(trees) == "$before" ]] || fail "new commits: other trees after refresh"

echo "5: a commit in the middle edited with fixup"
mapfile -t commits < <(g rev-list --reverse refs/series/base..HEAD)
target=${commits[0]}
mapfile -t files < <(g show --format= --name-only "$target")
file=${files[0]}
echo "/* round trip */" | cat - "$tree/$file" > "$TMP/edited"
cp "$TMP/edited" "$tree/$file"
g commit -q -a --fixup="$target"
expect_failure "autosquash" refresh
g rebase -q -i --autosquash refs/series/base
refresh
before=$(trees)
compose
[[ $(trees) == "$before" ]] || fail "edited commit: other trees after refresh"
grep -q 'round trip' "$repo"/patches/"$BASENAME"/*/0001-*.patch || fail "the edit is in no patch"

echo "6: a whole file edited, in its home, with nothing else"
echo '/* at home */' >> "$repo/tools/testing/selftests/kvm/x86_64/round_trip_test.c"
compose
grep -q 'at home' "$tree/$new" || fail "the edit did not reach the tree"

echo "7: two commits reordered"
GIT_SEQUENCE_EDITOR="sed -i '1{h;d};2{G}'" git -C "$tree" rebase -q -i HEAD~2
refresh
before=$(trees)
compose
[[ $(trees) == "$before" ]] || fail "reordered commits: other trees after refresh"
last=("$repo"/patches/"$BASENAME"/tests/*.patch)
grep -q 'round_trip_test.c' "${last[-1]}" || fail "the order did not change"

echo "8: what is not in patches/ yet is not thrown away"
echo "/* mine */" >> "$tree/virt/kvm/kvm_main.c"
g commit -q -a -m "KVM: Mine"
echo "# more" >> "$repo/tools/testing/selftests/kvm/x86_64/round_trip_test.c"
expect_failure "not in patches/ yet" compose
g reset -q --hard HEAD~1
echo "/* mine */" >> "$tree/virt/kvm/kvm_main.c"
expect_failure "not committed" compose
