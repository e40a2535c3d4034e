#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every commit of the series compiles: KVM with W=1, as a module and built in, SEV
# on and off, and the selftests for SEV; and no warning in a file that the series
# touches that the base does not give.
# inputs: patches/linux-$LINUX arch include virt tools/testing tools/series tools/build tools/check/prepare-kvm.sh bases
# limit: 2400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/prepare-kvm.sh"

# Module against built in and SEV on against off do not touch each other in
# KVM's source: every commit is built both ways of each, in two pairs, and the
# last commit in all four, Intel's half of KVM included.
pairs=(modules nosev)
all=(modules modules-nosev intel nosev)
cd "$TOP" || exit

# warnings LOG: those about touched files, without line numbers. gcc writes
# paths relative to the directory of the objects, or of the selftests.
selftests=tools/testing/selftests/kvm
{
	touched
	git -C "$BUILD/$BASENAME" diff --name-only --diff-filter=d "$BASE_COMMIT" "${COMMITS[-1]}" -- "$selftests/*.[ch]" |
		sed "s,^$selftests/,,"
} > "$TMP/touched"
warnings() {
	grep -E 'warning:' "$1" | sed -E 's,^(\.\./)*,,; s,:[0-9]+(:[0-9]+)?:,:,' |
		grep -F -f "$TMP/touched" | sort -u || true
}
# build CONFIG: what is checked out.
build() {
	local src=$WALK/$selftests out=$WALK/obj-selftests tests
	if [[ $1 != selftests ]]; then
		configured "$1" || return
		kbuild "$1" -k W=1 KBUILD_MODPOST_WARN=1 arch/x86/kvm/ virt/kvm/
		return
	fi
	mkdir -p "$out" "$WALK/obj-headers"
	tests=("$src"/x86*/sev_*test*.c)
	tests=("${tests[@]#"$src"/}")
	tests=("${tests[@]%.c}")
	kbuild headers ARCH=x86_64 headers &&
	make -C "$src" OUTPUT="$out" ARCH=x86_64 CC="$CC" -j"$(nproc)" \
		KHDR_INCLUDES="-isystem $WALK/obj-headers/usr/include" "${tests[@]/#/$out/}"
}
compile() {	# CONFIG COMMIT LOG
	walk_to "$2" && build "$1" > "$3" 2>&1
}

# The base is only compiled if there is something to compare with.
known() {
	local config=$1 log=$LOGS/walk-base-$1.log
	[[ ! -f $TMP/known-$config ]] || return 0
	echo "base, $config"
	compile "$config" "$BASE_COMMIT" "$log" || fail "the base does not compile as $config (log: $log)"
	warnings "$log" > "$TMP/known-$config"
}
touches() { [[ -n $(git -C "$BUILD/$BASENAME" diff-tree -r --no-commit-id --name-only "$1" -- "${@:2}") ]]; }
n=0
for commit in "${COMMITS[@]}"; do
	n=$((n + 1))
	subject=$(git -C "$BUILD/$BASENAME" log -1 --format=%s "$commit")
	# What a commit does not touch compiles like the one before.
	configs=()
	if touches "$commit" arch virt include; then
		configs=("${pairs[@]}")
		# Nothing after it touches what KVM is made from: the last one.
		git -C "$BUILD/$BASENAME" diff --quiet "$commit" "${COMMITS[-1]}" -- arch virt include && configs=("${all[@]}")
	fi
	! touches "$commit" include/uapi "$selftests" || configs+=(selftests)
	for config in "${configs[@]}"; do
		echo "$n of ${#COMMITS[@]}, $config: $subject"
		log=$LOGS/walk-$n-$config.log
		compile "$config" "$commit" "$log" || { grep -m5 error "$log" || true; fail "'$subject' does not compile as $config (log: $log)"; }
		warnings "$log" > "$TMP/warned"
		[[ -s $TMP/warned ]] || continue
		known "$config"
		comm -13 "$TMP/known-$config" "$TMP/warned" > "$TMP/new"
		[[ ! -s $TMP/new ]] || { cat "$TMP/new"; fail "'$subject' gives new warnings as $config (log: $log)"; }
	done
done

# It has to see a warning and an error.
for config in modules selftests; do
	file=$(grep -m1 '^virt/.*\.c$' "$TMP/touched")
	[[ $config != selftests ]] || file=$selftests/$(grep -m1 'sev_.*_test\.c$' "$TMP/touched")
	echo 'static int unused_by_anyone(void) { return 0; }' >> "$WALK/$file"
	build "$config" > "$TMP/bad.log" 2>&1 || fail "$config: more than a warning: $(grep -m1 error "$TMP/bad.log")"
	grep -q unused_by_anyone <<< "$(warnings "$TMP/bad.log")" || fail "$config: a warning is not seen"
	echo 'this is no C' >> "$WALK/$file"
	! build "$config" > "$TMP/bad.log" 2>&1 || fail "$config: an error is not seen"
	sgit -C "$WALK" checkout -q --force HEAD -- "$file"
done
