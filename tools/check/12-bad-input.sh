#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Bad input gives one clear line and a non-zero exit.
# inputs: patches arch include virt tools Documentation Makefile bases
. "$(dirname "$0")/lib.sh"

repo=$TMP/repo
copy_with_tree "$repo"
series=$repo/tools/series
export BUILD=$repo/build

echo "1: a tree that is no kernel, in LINUX_SRC"
mkdir "$TMP/nothing" "$TMP/git"
git -C "$TMP/git" init -q
git -C "$TMP/git" -c user.name=T -c user.email=t@localhost commit -q --allow-empty -m x
LINUX_SRC=$TMP/nothing expect_failure "no linux tree" "$series/compose.sh" "$BASENAME"
LINUX_SRC=$TMP/git expect_failure "no linux tree" "$series/compose.sh" "$BASENAME"
LINUX_SRC=$TMP/missing expect_failure "no such directory" "$series/compose.sh" "$BASENAME"

echo "2: a base that has the fix, in LINUX_SRC; the user's tree is left alone"
sparse_tree "$TMP/user" "$(git -C "$repo/build/$BASENAME" rev-parse refs/series/base)"
echo '#define KVM_REQ_VMSA_PAGE_RELOAD KVM_ARCH_REQ(35)' >> "$TMP/user/arch/x86/include/asm/kvm_host.h"
git -C "$TMP/user" commit -q -a -m "has the fix"
before=$(cd "$TMP/user" && git status --short && git for-each-ref && find .git -type f | sort | xargs sha256sum)
fixed() { LINUX_SRC=$TMP/user BUILD=$TMP/b2 "$series/compose.sh" "$BASENAME"; }
expect_failure "has the part 'fix' already" fixed
expect_failure "tests' for the rest" fixed
PARTS=tests fixed
after=$(cd "$TMP/user" && git status --short && git for-each-ref && find .git -type f | sort | xargs sha256sum)
[[ $before == "$after" ]] || fail "the user's tree was changed"

echo "3: a patch that does not apply"
patch=("$repo/patches/$BASENAME"/*/0001-*.patch)
head=$(git -C "$BUILD/$BASENAME" rev-parse HEAD)
sed -i '/^ [ \t]*[a-z]/s/$/ not_there/' "${patch[0]}"
expect_failure "${patch[0]#"$repo"/} does not apply to " "$series/compose.sh" "$BASENAME"
[[ $(git -C "$BUILD/$BASENAME" rev-parse HEAD) == "$head" ]] || fail "the work tree was moved"
git -C "$BUILD/$BASENAME" diff --quiet HEAD -- || fail "the work tree was left half done"

cp "$TOP/${patch[0]#"$repo"/}" "${patch[0]}"
# One that is cut off after a file, in its last line, in the middle of its diffstat.
cut=$(grep -l '^ 2 files changed' "$repo/patches/$BASENAME"/*/*.patch | head -1)
cp "$cut" "$TMP/whole.patch"
awk '/^diff --git / && n++ { exit } { print }' "$TMP/whole.patch" > "$cut"
expect_failure "is it cut short?" "$series/compose.sh" "$BASENAME"
head -c -1 "$TMP/whole.patch" > "$cut"
expect_failure "is it cut short?" "$series/compose.sh" "$BASENAME"
sed '/^ 2 files changed/,$d' "$TMP/whole.patch" > "$cut"
expect_failure "$(basename "$cut")" "$series/compose.sh" "$BASENAME"
cp "$TMP/whole.patch" "$cut"
"$series/compose.sh" "$BASENAME"

echo "4: no such base, no such part"
expect_failure "no base 'linux-1.0'" "$series/compose.sh" linux-1.0
PARTS=nonsense expect_failure "no part 'nonsense'" "$series/compose.sh" "$BASENAME"
# A build directory may be named from where one is.
(cd "$TMP" && BUILD=repo/build "$series/compose.sh" "$BASENAME" && BUILD=b4 "$series/compose.sh" "$BASENAME")
git -C "$TMP/b4/$BASENAME" diff --quiet HEAD -- || fail "a relative BUILD gives no tree"

echo "5: no network to the archive"
# Another place for apt's sources: a host that does not exist, by definition.
. /etc/os-release
mkdir -p "$TMP/etc/sources.list.d" "$TMP/xdg2"
printf 'deb [trusted=yes] http://archive.invalid/debian %s main\n' "$VERSION_CODENAME" > "$TMP/etc/sources.list"
offline() { APT_ETC=$TMP/etc XDG_CACHE_HOME=$TMP/xdg2 BUILD=$TMP/b3 "$series/base.sh" "$BASENAME"; }
mkdir -p "$TMP/b3"
expect_failure "cannot read the package archive" offline

echo "6: a kernel that does not boot"
if command -v qemu-system-x86_64 > /dev/null; then
	SNPHOST_QEMU=$(command -v qemu-system-x86_64)
	export SNPHOST_QEMU
	boots_not() {
		"$repo/tools/snphost/snphost" --no-snp --kernel "$1" --timeout 10 -- true < /dev/null
	}
	head -c 4096 /dev/zero > "$TMP/garbage"
	expect_failure "is not a bzImage" boots_not "$TMP/garbage"
	loop=$(compgen -G "$TOP/build/$BASENAME/obj-*/arch/x86/boot/bzImage" | head -1 || true)
	if [[ -n $loop ]]; then
		# A real one that stops: the protected-mode entry is "jmp ." instead.
		cp "$loop" "$TMP/loop"
		sectors=$(od -An -tu1 -j497 -N1 "$TMP/loop")
		printf '\xeb\xfe' | dd of="$TMP/loop" bs=1 seek=$(((sectors + 1) * 512)) conv=notrunc status=none
		expect_failure "did not boot within 10 seconds" boots_not "$TMP/loop"
	fi
fi
