#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# compose.sh BASE [--print|--rebase]
#
# Apply the series to the base, one commit a patch, and put the result in the
# work tree build/BASE. With --print: only make the commits, with the base and
# the parts that the work tree has now, and print the last. With --rebase: put
# the commits of the work tree that are not in patches/ on the result.
#
# A commit is made from patches/BASE/PART/NNNN-*.patch and from the whole files
# that the patch names in its notes ("Whole-files:"). Everything is done in the
# object store; the work tree is touched only when all of it went well, and only
# where files differ, so that make rebuilds what changed and nothing else.
. "$(dirname "$0")/lib.sh"

[[ $# -ge 1 ]] || die "usage: compose.sh BASE [--print|--rebase]"
how=${2:-}
base_load "$1"
one_at_a_time "$BUILD/compose-$BASE"
if [[ $how == --print ]]; then
	base=$(sgit --git-dir="$WORKTREE/.git" rev-parse refs/series/base)
	parts=$(cat "$WORKTREE/.git/series-parts")
else
	parts=$(parts_wanted)
	base=$("$TOP/tools/series/base.sh" "$BASE")
	for entry in "${BASE_HAS[@]}"; do
		read -r part file text <<< "$entry"
		if [[ $'\n'$parts$'\n' == *$'\n'"$part"$'\n'* ]] &&
		   GIT_DIR=$BASE_REPO sgit grep -q -F -e "$text" "$base" -- "$file"; then
			rest=$(grep -vxF -e "$part" <<< "$parts" | paste -sd' ' || true)
			[[ -z $rest ]] || rest="; 'PARTS=$rest' for the rest"
			echo "$BASE has the part '$part' already ($text is in $file): nothing to add$rest" >&2
			exit 3
		fi
	done
fi

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
	[[ $how == --print ]] || see_objects "$BASE_REPO" "$gitdir"
fi
store() { sgit --git-dir="$gitdir" "$@"; }

# notes_of PATCH: what its author wrote below "---", without what is made anew.
notes_of() {
	awk '/^diff --git / { exit }
	     !notes { notes = /^---$/; next }
	     /^Whole-files:/ { whole = 1 }
	     whole { if (NF == 0) whole = 0; next }
	     / \| +[0-9B]/ || /^ [0-9]+ files? changed/ || /^ (create|delete|rename|mode) / || /^-- ?$/ { next }
	     { print }' "$1" | sgit stripspace
}

# not_cut PATCH: it has what its own diffstat says.
not_cut() {
	local said is
	said=$(awk '/^diff --git / { exit } /^ [0-9]+ files? changed/ { line = $0 }
		function number(what) { return match(line, "[0-9]+ " what) ? substr(line, RSTART) + 0 : 0 }
		END { print number("file"), number("insertion"), number("deletion") }' "$1")
	is=$({ ! grep -q '^diff --git ' "$1" || store apply --numstat "$1" 2> /dev/null; } |
		awk '{ files++; added += $1; gone += $2 } END { print files + 0, added + 0, gone + 0 }')
	[[ $said == "$is" && -z $(tail -c 1 "$1") ]]
}

# made_of: all that the commits are made of. If it is what the last ones were made
# of, they are those.
made_of() {
	local part patch path
	echo "$base $parts"
	cat "$0" "$TOP/tools/series/lib.sh" "$TOP/tools/series/bases/$BASE"
	for part in $parts; do
		for patch in "$TOP/patches/$BASE/$part"/*.patch; do
			echo "$patch"
			cat "$patch"
			while read -r path; do
				[[ ! -x $TOP/$path ]] || echo "$path may be run"
				cat "$TOP/$path" 2> /dev/null || true
			done < <(whole_files "$patch")
		done
	done
}
# make_commits: all of them, and $head is the last.
make_commits() {
	local part patch name subject author email date file path dest mode blob tree
	export GIT_INDEX_FILE=$TMP/index
	store read-tree "$base"
	head=$base
	# The notes go to a ref of their own first: those in the work tree are the user's.
	store update-ref -d refs/notes/series-now
	note -m "Part: base" "$base"
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
			not_cut "$patch" || die "$name is not what its diffstat says: is it cut short?"
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
			note -F "$TMP/note" "$head"
		done
	done
	unset GIT_INDEX_FILE
}
# A notes ref that is not there yet makes git complain.
note() { store notes --ref=series-now add -f "$@" 2> /dev/null; }

key=$(made_of | sha256sum)
if ! head=$(store rev-parse -q --verify refs/series/now) || [[ $(cat "$gitdir/series-now" 2> /dev/null || true) != "$key" ]]; then
	rm -f "$gitdir/series-now"
	make_commits
	store update-ref refs/series/now "$head"
	echo "$key" > "$gitdir/series-now"
fi

if [[ $how == --print ]]; then
	echo "$head"
	exit 0
fi

take_notes() {
	store notes --ref=series-now list | while read -r blob commit; do
		store notes --ref=series add -f -C "$blob" "$commit" 2> /dev/null
	done
}
# composed: the work tree has what patches/ are now.
composed() {
	take_notes
	store update-ref refs/notes/series-composed refs/notes/series-now
	store update-ref refs/series/base "$base"
	store update-ref refs/series/composed "$head"
	echo "$parts" > "$gitdir/series-parts"
}

if [[ -n $fresh ]]; then
	store update-ref refs/heads/series "$head"
	store symbolic-ref HEAD refs/heads/series
	composed
	say "$BASE: checking out $WORKTREE"
	# Whole, or not there.
	sgit -C "$TMP/clone" reset -q --hard 2> "$TMP/err" || {
		head -n 20 "$TMP/err" > "$LOGS/compose-$BASE.log" || true
		not_written "$BUILD" "the work tree" "$LOGS/compose-$BASE.log"
	}
	mv "$TMP/clone" "$WORKTREE"
else
	wt() { sgit -C "$WORKTREE" "$@"; }
	now=$(store rev-parse HEAD)
	before=$(store rev-parse refs/series/composed)
	refreshed=$(store rev-parse -q --verify refs/series/refreshed || true)
	wt update-index -q --refresh > /dev/null || true
	dirty=
	wt diff-index --quiet HEAD -- || dirty=1
	if [[ $now == "$head" ]]; then
		composed
		[[ -z $dirty ]] || say "$BASE: $WORKTREE has edits that are not committed; left alone"
	elif [[ $head == "$before" && ( $now != "$refreshed" || -n $dirty ) ]] &&
	     store merge-base --is-ancestor "$base" "$now" && same_notes "$gitdir"; then
		# Somebody is at work in there, and patches/ have not changed.
		say "$BASE: $WORKTREE has commits that are not in patches/; left alone"
	else
		[[ ! -d $gitdir/rebase-merge && ! -d $gitdir/rebase-apply ]] ||
			die "$WORKTREE is in the middle of a rebase: 'git rebase --continue' or '--abort' there"
		[[ -z $dirty ]] ||
			die "$WORKTREE has edits that are not committed: commit and 'make refresh', or 'git checkout .' there"
		if [[ $now == "$before" || $now == "$refreshed" ]]; then
			wt checkout -q -B series "$head" 2> "$LOGS/compose-$BASE.log" ||
				not_written "$BUILD" "the work tree" "$LOGS/compose-$BASE.log"
			store update-ref -d refs/series/refreshed
			composed
		elif [[ $how == --rebase ]]; then
			[[ $parts == "$(cat "$gitdir/series-parts")" ]] ||
				die "$WORKTREE was composed with other parts: PARTS='$(xargs < "$gitdir/series-parts")'"
			. "$TOP/tools/series/rebase.sh"
		else
			die "$WORKTREE has commits that are not in patches/ yet, and patches/ have changed: '$(make_target rebase)' puts them on top, 'git reset --hard refs/series/composed' there drops them"
		fi
	fi
fi
say "$BASE: $(sgit -C "$WORKTREE" rev-list --count "$base..$head") patches ($(xargs <<< "$parts")) on $(sgit -C "$WORKTREE" log -1 --format=%s "$base")"
