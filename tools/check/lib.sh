# SPDX-License-Identifier: GPL-2.0-only
# For the checks; sourced, not run.
# shellcheck shell=bash

. "$(dirname "${BASH_SOURCE[0]}")/../series/lib.sh"
BASENAME=linux-$LINUX

# Exporting takes somebody who sends; for a check anybody will do.
if ! git -C "$TOP" config user.email > /dev/null; then
	export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=user.name GIT_CONFIG_VALUE_0=Tester \
		GIT_CONFIG_KEY_1=user.email GIT_CONFIG_VALUE_1=tester@localhost
fi

fail() { echo "FAILED: $*"; exit 1; }
skip() { echo "$*"; exit 4; }

# expect_failure TEXT COMMAND...: it fails, with TEXT in one of few lines.
expect_failure() {
	local text=$1 out status=0
	shift
	out=$("$@" 2>&1) || status=$?
	[[ $status -ne 0 ]] || fail "'$*' did not fail"
	[[ $out == *"$text"* ]] || fail "'$*' did not say '$text' but: $out"
	[[ $(wc -l <<< "$out") -le 4 ]] || fail "'$*' says too much: $out"
	echo "fails as it should: $text"
}

# What the emulated host runs, composed from patches/ as they are now and built,
# if it changed. They print what they made:
#   make_qemu [sanitize]		the program
#   make_kernel BASE CONFIG	the bzImage
#   make_tests BASE		the directory with the selftests for x86
make_qemu() {
	compose_base "qemu-$QEMU" >&2 && "$TOP/tools/build/qemu.sh" "qemu-$QEMU" "$@"
}
make_kernel() {
	compose_base "$1" >&2 && "$TOP/tools/build/kernel.sh" "$1" "$2"
}
make_tests() {
	local out dir
	compose_base "$1" >&2 && out=$("$TOP/tools/build/kselftest.sh" "$1") &&
	base_load "$1" && dir=$(to_base tools/testing/selftests/kvm/x86_64/) &&
	echo "$out/$(basename "$dir")"
}

# PARTS and LINUX_SRC are about the base that the user asked for, not others.
compose_base() {
	if [[ $1 == "$BASENAME" ]]; then
		"$TOP/tools/series/compose.sh" "$1"
	else
		PARTS='' LINUX_SRC='' "$TOP/tools/series/compose.sh" "$1"
	fi
}

# snp_run NAME KERNEL "TEST [ARGUMENT...]"...: run the tests, one after the other,
# on the emulated host, where they have to pass and leave no page assigned, within
# SNP_LIMIT seconds (900). SNP_APPEND is more of the kernel's command line.
snp_run() {
	local log=$LOGS/$1.dmesg kernel=$2 test line='' files=()
	for test in "${@:3}"; do
		files+=(--file "${test%% *}")
		line+="echo '${test##*/}' && /${test##*/} && "
	done
	"$TOP/tools/snphost/snphost" --kernel "$kernel" --rmp-audit --timeout "${SNP_LIMIT:-900}" \
		--append "${SNP_APPEND:-}" --log "$log" "${files[@]}" -- sh -c "$line true" || return
	grep -q 'SEV-SNP enabled' "$log" || fail "the kernel did not enable SEV-SNP (log: $log)"
}

# The parts of the kernel tree that the series is about: a sparse work tree is
# there in a second, a whole one takes a minute.
SPARSE=(/arch/x86/kvm/ /arch/x86/include/asm/ /virt/kvm/ /include/linux/
	/tools/testing/selftests/kvm/ /Documentation/virt/ /Makefile)

# sparse_tree DIR COMMIT: a work tree with those parts of COMMIT.
sparse_tree() {
	local repo=$BUILD/$BASENAME/.git
	[[ -d $repo ]] || repo=$CACHE/linux.git
	new_tree "$repo" "$1" "${SPARSE[@]}"
	git -C "$1" config user.name Tester
	git -C "$1" config user.email tester@localhost
	sgit -C "$1" checkout -q -B series "$2"
}

# copy_repo DIR: this repo, without what was built, to try things in.
copy_repo() {
	mkdir -p "$1/build"
	tar c -C "$TOP" --exclude=./build --exclude=./.git . | tar x -C "$1"
	git -C "$1" init -q
	git -C "$1" config user.name Tester
	git -C "$1" config user.email tester@localhost
}

# copy_with_tree DIR: the same, with the series composed in it, on a base that has
# only those parts and what the patches touch, for it takes a tenth of the time.
# That base is in a cache of its own, which is the cache from here on.
copy_with_tree() {
	local base cache=$TMP/xdg/kvm-snp-vmsa
	copy_repo "$1"
	base=$("$TOP/tools/series/base.sh" "$BASENAME")
	base_load "$BASENAME"
	cache+=/$BASE_KIND.git
	mkdir -p "${cache%/*}"
	new_tree "$BASE_REPO" "$TMP/small"
	{ printf '%s\n' "${SPARSE[@]#/}"; sgit apply --numstat "$TOP/patches/$BASENAME"/*/*.patch | cut -f3; } | sort -u |
		xargs git -C "$TMP/small" ls-tree -r "$base" -- | git -C "$TMP/small" update-index --index-info
	sgit -C "$TMP/small" commit -q -m "$(git -C "$TMP/small" log -1 --format=%s "$base")"
	sgit clone -q --bare --shared "$TMP/small" "$cache"
	git --git-dir="$cache" update-ref "refs/bases/current/$BASENAME" HEAD
	export XDG_CACHE_HOME=$TMP/xdg
	unset LINUX_SRC QEMU_SRC
	BUILD=$1/build "$1/tools/series/compose.sh" "$BASENAME"
	git -C "$1/build/$BASENAME" config user.name Tester
	git -C "$1/build/$BASENAME" config user.email tester@localhost
}
