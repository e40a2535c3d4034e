# SPDX-License-Identifier: GPL-2.0-only
# For compose.sh; sourced, not run.
# shellcheck shell=bash disable=SC2154,SC2004
#
# Both have changed since the work tree was composed: patches/, which compose to
# $head now, and the commits of the work tree. Put the latter on the former, by
# "git rebase" with a list of what to pick. Commits are told by their subjects.
# There are three series of them: what the work tree was composed of, what
# patches/ are now, and what stands in the work tree.

declare -A old=() new=() mine=()
# series NAME RANGE: fill the array NAME, write the subjects to $TMP/NAME.
series() {
	local -n commits=$1
	local commit subject
	: > "$TMP/$1"
	while IFS=' ' read -r commit subject; do
		[[ -z ${commits[$subject]:-} ]] || die "two commits are called '$subject'"
		commits[$subject]=$commit
		echo "$subject" >> "$TMP/$1"
	done < <(wt log --reverse --format='%H %s' "$2")
}
was=$(store rev-parse refs/series/base)
series old "$was..$before"
series new "$base..$head"
series mine "$was..HEAD"

# content REF COMMIT: all that is in a commit, but for where its lines are.
content() {
	wt diff-tree -p --no-renames --no-commit-id "$2" | sed -E '/^index /d; s/^@@ .*/@@/'
	wt log -1 --format='%ad%n%B' "$2"
	{ wt notes --ref="$1" show "$2" 2> /dev/null || true; } | sgit stripspace
}
# same REF COMMIT: it is what the work tree was composed with; REF has its notes.
same() {
	[[ -n ${old[$subject]:-} && $(content "$1" "$2") == "$(content series-composed "${old[$subject]}")" ]]
}
message() { wt log -1 --format=%B "$1"; }
as_commit() { store commit-tree -m "$subject" "$@"; }

# my_edit: what was done in the work tree to a commit that was changed in patches/
# as well, as a commit to squash into that. Nothing if that is nothing.
my_edit() {
	local from ours theirs merged edit=${mine[$subject]} was=${old[$subject]:-}
	# If it is new on both sides, or the edits are not to be told apart, git will
	# stop there.
	if [[ -n $was ]]; then
		from=$(as_commit "$was^^{tree}")
		ours=$(as_commit -p "$from" "$edit^^{tree}")
		theirs=$(as_commit -p "$from" "$was^{tree}")
		if merged=$(store merge-tree --write-tree "$ours" "$theirs" 2> /dev/null); then
			[[ $merged != "$(store rev-parse "$edit^{tree}")" || $(message "$edit") != "$(message "$was")" ]] || return 0
			edit=$(message "$edit" | store commit-tree -p "$(as_commit "$merged")" -F - "$edit^{tree}")
		fi
	fi
	if [[ $(message "$edit") == "$(message "${was:-${new[$subject]}}")" ]]; then
		echo "fixup $edit $subject"
	elif [[ -n $was && $(message "${new[$subject]}") == "$(message "$was")" ]]; then
		echo "fixup -C $edit $subject"
	else
		echo "squash $edit $subject"
		say "'$subject': both have changed the message, which is both now: look at it" >&2
	fi
}

sgit merge-file -q -p --union "$TMP/new" "$TMP/old" "$TMP/mine" | awk '!seen[$0]++' > "$TMP/order"
while IFS= read -r subject; do
	if [[ -z ${mine[$subject]:-} ]] || { [[ -n ${new[$subject]:-} ]] && same series "${mine[$subject]}"; }; then
		echo "pick ${new[$subject]} $subject"
	elif [[ -z ${new[$subject]:-} ]] || same series-now "${new[$subject]}"; then
		echo "pick ${mine[$subject]} $subject"
	else
		echo "pick ${new[$subject]} $subject"
		[[ $(content series-now "${new[$subject]}") == "$(content series "${mine[$subject]}")" ]] || my_edit
	fi
done < "$TMP/order" > "$TMP/todo"
# What one side has changed, the other must not have dropped.
while IFS= read -r subject; do
	! grep -qxF -e "$subject" "$TMP/order" || continue
	{ [[ -z ${new[$subject]:-} ]] || same series-now "${new[$subject]}"; } &&
	{ [[ -z ${mine[$subject]:-} ]] || same series "${mine[$subject]}"; } ||
		die "'$subject' was changed on one side and dropped or renamed on the other: bring $head and HEAD together by hand in $WORKTREE"
done < <(cat "$TMP/new" "$TMP/mine")
cat >> "$TMP/todo" <<-EOF
	exec git update-ref refs/notes/series-composed $(store rev-parse refs/notes/series-now)
	exec git update-ref refs/series/base $base
	exec git update-ref refs/series/composed $head
EOF
take_notes
store update-ref -d refs/series/refreshed
GIT_SEQUENCE_EDITOR="cp '$TMP/todo'" GIT_EDITOR=true wt rebase -i --empty=drop --no-autosquash --onto "$base" "$was" \
	> "$LOGS/rebase-$BASE.log" 2>&1 ||
	die "both changed the same: resolve it in $WORKTREE, then 'git rebase --continue' there, or '--abort' (log: $LOGS/rebase-$BASE.log)"
say "$BASE: what $WORKTREE had of its own is on top of patches/ now; '$(make_target refresh)' writes it there"
