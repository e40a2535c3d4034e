#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# sparse (C=2) and the base's coccicheck say nothing new about touched files.
# inputs: patches/linux-$LINUX/fix arch include virt tools/series tools/build tools/check/prepare-kvm.sh bases
# limit: 1500
. "$(dirname "$0")/lib.sh"
command -v sparse > /dev/null || skip "no sparse"
command -v spatch > /dev/null || skip "no coccinelle"
. "$(dirname "$0")/prepare-kvm.sh"

mapfile -t files < <(touched | grep '\.c$')
[[ ${#files[@]} -gt 0 ]] || skip "the series touches no C file"
pattern=$(printf '%s\n' "${files[@]}" | sed 's/[.]/\\./g' | paste -sd'|')
reports() { grep -E "($pattern):[0-9]+" "$1" | sed -E 's,^(\.\./)*,,; s,:[0-9]+(:[0-9]+)?,,g; s,[0-9]+,N,g' | sort -u || true; }

# The rules that look for bugs in kernel code, with four minutes for each file:
# seconds, if nothing else runs. One that crashes or takes longer has seen nothing:
# that is a failure. Those written in OCaml take a compiler for that.
limit=240
cocci() {	# FILE...
	local rule file
	for rule in "$WALK"/scripts/coccinelle/{locks,null,free,iterators}/*.cocci; do
		grep -q 'virtual report' "$rule" && ! grep -q ':ocaml@' "$rule" || continue
		for file; do
			timeout "$limit" spatch -D report --very-quiet --no-show-diff --cocci-file "$rule" \
				-I "$WALK/arch/x86/include" -I "$WALK/include" "$WALK/$file" > "$TMP/spatch" 2> "$TMP/spatch.err" || {
				echo "spatch ends with $?: ${rule##*/} on $file" >&2
				tail -n 3 "$TMP/spatch.err" >&2
				return 1
			}
			sed "s,^$WALK/,," "$TMP/spatch"
		done
	done
}
analyse() {	# COMMIT NAME FILE...
	local name=$2
	walk_to "$1"
	shift 2
	configured modules
	kbuild modules C=2 CHECK="sparse" "${@/%.c/.o}" > "$LOGS/sparse-$name.log" 2>&1 ||
		fail "does not compile (log: $LOGS/sparse-$name.log)"
	cocci "$@" > "$LOGS/cocci-$name.log" || fail "no end of coccicheck"
	cat "$LOGS/sparse-$name.log" "$LOGS/cocci-$name.log" > "$TMP/all"
	reports "$TMP/all" > "$TMP/$name"
}
echo "series"
analyse "${COMMITS[-1]}" series "${files[@]}"
# What is reported may be as old as the base.
: > "$TMP/base"
mapfile -t reported < <(grep -oE "($pattern):[0-9]+" "$TMP/all" | cut -d: -f1 | sort -u)
if [[ ${#reported[@]} -gt 0 ]]; then
	echo "base: ${reported[*]}"
	analyse "$BASE_COMMIT" base "${reported[@]}"
fi
if comm -13 "$TMP/base" "$TMP/series" | grep .; then
	fail "new reports (logs: $LOGS/sparse-series.log, $LOGS/cocci-series.log)"
fi
echo "of the series' $(wc -l < "$TMP/series") reports none is new"

# They have to see a fault: a lock that is taken and not given back, an
# __user pointer that is read.
file=${files[0]}
cat >> "$WALK/$file" <<'C'
static DEFINE_SPINLOCK(lock_of_nobody);
int sparse_test(int __user *p);
int sparse_test(int __user *p)
{
	spin_lock(&lock_of_nobody);
	if (*p)
		return 1;
	spin_unlock(&lock_of_nobody);
	return 0;
}
C
kbuild modules C=2 CHECK=sparse "${file%.c}.o" > "$TMP/bad" 2>&1 || true
cocci "$file" >> "$TMP/bad" || fail "no end of coccicheck"
reports "$TMP/bad" > "$TMP/bad.reports"
sgit -C "$WALK" checkout -q --force HEAD -- "$file"
grep -q 'dereference of noderef' "$TMP/bad.reports" || fail "sparse sees no __user access"
grep -q 'preceding lock' "$TMP/bad.reports" || fail "coccicheck sees no lost lock"
# And an end that comes too early is one.
! (limit=0.01 && cocci "$file") > "$TMP/bad" 2>&1 || fail "what takes too long passes"
grep -q 'ends with 124' "$TMP/bad" || fail "not for the reason that was made: $(< "$TMP/bad")"
