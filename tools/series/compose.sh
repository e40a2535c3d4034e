#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# compose.sh BASE [--print]
#
# Apply the series to the base, one commit a patch, and put the result in the
# work tree build/BASE. With --print: only make the commits, and print the last.
#
# A commit is made from patches/BASE/PART/NNNN-*.patch and from the whole files
# that the patch names in its notes ("Whole-files:"). Everything is done in the
# object store; the work tree is touched only when all of it went well, and only
# where files differ, so that make rebuilds what changed and nothing else.
. "$(dirname "$0")/lib.sh"

[[ $# -ge 1 ]] || die "usage: compose.sh BASE [--print]"
base_load "$1"
parts=$(parts_wanted)
one_at_a_time "$BUILD/compose-$BASE"
base=$("$TOP/tools/series/base.sh" "$BASE")

for entry in "${BASE_HAS[@]}"; do
	read -r part file text <<< "$entry"
	if [[ $'\n'$parts$'\n' == *$'\n'"$part"$'\n'* ]] &&
	   GIT_DIR=$BASE_REPO sgit grep -q -F -e "$text" "$base" -- "$file"; then
		echo "$BASE has the part '$part' already ($text is in $file): nothing to add" >&2
		exit 3
	fi
done

# Objects go where the work tree will look for them.
if [[ ! -d $WORKTREE/.git ]]; then
	[[ ! -e $WORKTREE ]] || die "$WORKTREE is in the way: it is no git work tree"
	fresh=1
	new_tree "$BASE_REPO" "$TMP/clone"
	gitdir=$TMP/clone/.git
	# Notes say which part a commit belongs to: they have to follow it through
	# "commit --amend" and "rebase -i".
	sgit --git-dir="$gitdir" config notes.rewriteRef refs/notes/series
	sgit --git-dir="$gitdir" config notes.displayRef refs/notes/series
	sgit --git-dir="$gitdir" config include.path ../../../.b4-config
else
	fresh=
	gitdir=$WORKTREE/.git
	see_objects "$BASE_REPO" "$gitdir"
fi
store() { sgit --git-dir="$gitdir" "$@"; }

export GIT_INDEX_FILE=$TMP/index
store read-tree "$base"
head=$base

# notes_of PATCH: what its author wrote below "---", without what is made anew.
notes_of() {
	awk '/^diff --git / { exit }
	     !notes { notes = /^---$/; next }
	     /^Whole-files:/ { whole = 1 }
	     whole { if (NF == 0) whole = 0; next }
	     / \| +[0-9B]/ || /^ [0-9]+ files? changed/ || /^ (create|delete|rename|mode) / || /^-- ?$/ { next }
	     { print }' "$1" | sgit stripspace
}

# A notes ref that is not there yet makes git complain.
store notes --ref=series add -f -m "Part: base" "$base" 2> /dev/null
for part in $parts; do
	for patch in "$TOP/patches/$BASE/$part"/*.patch; do
		name=${patch#"$TOP"/}
		sgit mailinfo --encoding=UTF-8 "$TMP/msg" "$TMP/diff" < "$patch" > "$TMP/info" 2> /dev/null ||
			die "$name is no patch that git can read"
		subject=$(sed -n 's/^Subject: //p' "$TMP/info")
		[[ -n $subject ]] || die "$name has no Subject:"
		author=$(sed -n 's/^Author: //p' "$TMP/info")
		email=$(sed -n 's/^Email: //p' "$TMP/info")
		date=$(sed -n 's/^Date: //p' "$TMP/info")
		[[ -n $date ]] || die "$name has no Date:"
		if grep -q '^diff --git ' "$TMP/diff" &&
		   ! store apply --cached --whitespace=nowarn "$TMP/diff" 2> "$TMP/err"; then
			cp "$TMP/err" "$LOGS/compose-$BASE.log"
			file=$(sed -n 's/^error: patch failed: \(.*\):[0-9]*$/\1/p; s/^error: \(.*\): .*/\1/p' "$TMP/err" | head -1)
			die "$name does not apply to ${file:-$BASE} (log: $LOGS/compose-$BASE.log)"
		fi
		while read -r path; do
			[[ -f $TOP/$path ]] || die "$name adds the whole file $path, which is not there"
			dest=$(to_base "$path")
			mode=100644
			[[ ! -x $TOP/$path ]] || mode=100755
			if [[ -n $(store ls-files -- "$dest") ]]; then
				die "$name adds the whole file $path, but $BASE has a $dest"
			fi
			blob=$(store hash-object -w --no-filters "$TOP/$path")
			store update-index --add --cacheinfo "$mode,$blob,$dest"
		done < <(whole_files "$patch")
		tree=$(store write-tree)
		[[ $tree != "$(store rev-parse "$head^{tree}")" ]] || die "$name changes nothing"
		{ echo "$subject"; echo; cat "$TMP/msg"; } | sgit stripspace > "$TMP/message"
		head=$(GIT_AUTHOR_NAME=${author:-$SERIES_NAME} GIT_AUTHOR_EMAIL=${email:-$SERIES_EMAIL} \
			GIT_AUTHOR_DATE=$date GIT_COMMITTER_DATE=$date \
			store commit-tree -p "$head" -F "$TMP/message" "$tree")
		{ echo "Part: $part"; echo; notes_of "$patch"; } > "$TMP/note"
		store notes --ref=series add -f -F "$TMP/note" "$head" 2> /dev/null
	done
done
unset GIT_INDEX_FILE

if [[ ${2:-} == --print ]]; then
	[[ -z $fresh ]] || die "--print needs a work tree: compose without it first"
	echo "$head"
	exit 0
fi

if [[ -n $fresh ]]; then
	store update-ref refs/heads/series "$head"
	store symbolic-ref HEAD refs/heads/series
	store update-ref refs/series/base "$base"
	store update-ref refs/series/composed "$head"
	say "$BASE: checking out $WORKTREE"
	mv "$TMP/clone" "$WORKTREE"
	sgit -C "$WORKTREE" reset -q --hard
else
	now=$(store rev-parse HEAD)
	wt() { sgit -C "$WORKTREE" "$@"; }
	wt update-index -q --refresh > /dev/null || true
	if [[ $now != "$head" && $head == "$(store rev-parse refs/series/composed)" ]] &&
	   store merge-base --is-ancestor "$base" "$now"; then
		# Somebody is at work in there, and patches/ have not changed.
		say "$BASE: $WORKTREE has commits that are not in patches/; left alone"
	elif [[ $now != "$head" ]]; then
		if ! wt diff-index --quiet HEAD --; then
			die "$WORKTREE has edits that are not committed: commit and 'make refresh', or 'git checkout .' there"
		fi
		if [[ $now != "$(store rev-parse refs/series/composed)" &&
		      $now != "$(store rev-parse -q --verify refs/series/refreshed || true)" ]]; then
			die "$WORKTREE has commits that are not in patches/ yet: 'make refresh' first, or 'git reset --hard refs/series/composed' there"
		fi
		wt checkout -q -B series "$head"
	elif ! wt diff-index --quiet HEAD --; then
		say "$BASE: $WORKTREE has edits that are not committed; left alone"
	fi
	store update-ref refs/series/base "$base"
	store update-ref refs/series/composed "$head"
fi
echo "$parts" > "$WORKTREE/.git/series-parts"
say "$BASE: $(sgit -C "$WORKTREE" rev-list --count "$base..$head") patches ($(xargs <<< "$parts")) on $(sgit -C "$WORKTREE" log -1 --format=%s "$base")"
