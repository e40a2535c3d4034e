#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every commit of the series compiles with W=1: KVM as a module and built in,
# SEV on and off, and no warning in a file that the series touches that the
# base does not give.
# inputs: patches/linux-$LINUX/fix arch include virt tools/series tools/check/prepare-kvm.sh bases
# limit: 2400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/prepare-kvm.sh"

# Module against built in and SEV on against off do not touch each other in
# KVM's source: every commit is built both ways of each, in two pairs, and the
# last commit in all four, Intel's half of KVM included.
pairs=(m-sev y-nosev)
all=(m-sev m-nosev y-sev y-nosev)
cd "$TOP" || exit

# warnings LOG: those about touched files, without line numbers. gcc writes
# paths relative to the object directory.
touched > "$TMP/touched"
warnings() {
	grep -E 'warning:' "$1" | sed -E 's,^(\.\./)*,,; s,:[0-9]+(:[0-9]+)?:,:,' |
		grep -F -f "$TMP/touched" | sort -u || true
}
compile() {	# CONFIG COMMIT LOG
	walk_to "$2"
	configured "$1"
	kbuild "$1" -k W=1 KBUILD_MODPOST_WARN=1 arch/x86/kvm/ virt/kvm/ > "$3" 2>&1
}

# The base is only compiled if there is something to compare with.
known() {
	local config=$1 log=$LOGS/walk-base-$1.log
	[[ ! -f $TMP/known-$config ]] || return 0
	echo "base, $config"
	compile "$config" "$BASE_COMMIT" "$log" || fail "the base does not compile as $config (log: $log)"
	warnings "$log" > "$TMP/known-$config"
}
n=0
for commit in "${COMMITS[@]}"; do
	n=$((n + 1))
	subject=$(git -C "$BUILD/$BASENAME" log -1 --format=%s "$commit")
	# A commit that touches nothing that KVM is made from compiles like the one before.
	[[ -n $(git -C "$BUILD/$BASENAME" diff-tree -r --no-commit-id --name-only "$commit" -- arch virt include) ]] || continue
	configs=("${pairs[@]}")
	# Nothing after it touches what KVM is made from: the last one.
	git -C "$BUILD/$BASENAME" diff --quiet "$commit" "${COMMITS[-1]}" -- arch virt include && configs=("${all[@]}")
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
file=$(grep -m1 '\.c$' "$TMP/touched")
object=${file%.c}.o
echo 'static int unused_by_anyone(void) { int set_only; set_only = 1; return 0; }' >> "$WALK/$file"
kbuild m-sev W=1 "$object" > "$TMP/bad.log" 2>&1 || true
[[ -n $(warnings "$TMP/bad.log") ]] || { cat "$TMP/bad.log"; fail "a warning is not seen"; }
echo 'this is no C' >> "$WALK/$file"
! kbuild m-sev "$object" > "$TMP/bad.log" 2>&1 || fail "an error is not seen"
sgit -C "$WALK" checkout -q --force HEAD -- "$file"
