#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# refresh.sh BASE
#
# The reverse of compose.sh: turn the commits of build/BASE back into
# patches/BASE/PART/*.patch and whole files. A new file goes to its whole place
# here and is named in the patch; every other change goes into the patch.
# A commit stays in the part it came from; a new one belongs to "tests" if it
# touches selftests and documentation only, else to "fix", or to the first part.
#
# A patch, or a part, that is a link is another base's as well. It stays a link as
# long as it is the same but for where in the base its lines are.
. "$(dirname "$0")/lib.sh"

[[ $# -eq 1 ]] || die "usage: refresh.sh BASE"
base_load "$1"
[[ -d $WORKTREE/.git ]] || die "no work tree $WORKTREE: '$(make_target tree)' first"
wt() { sgit -C "$WORKTREE" "$@"; }
wt update-index -q --refresh > /dev/null || true
[[ ! -d $WORKTREE/.git/rebase-merge && ! -d $WORKTREE/.git/rebase-apply ]] ||
	die "$WORKTREE is in the middle of a rebase"
wt diff-index --quiet HEAD -- || die "$WORKTREE has edits that are not committed"
# What stands in patches/ and the whole files has to be in the work tree, or it
# would be lost.
before=$(wt rev-parse refs/series/composed)
now=$("$TOP/tools/series/compose.sh" "$BASE" --print)
if [[ $now != "$before" ]] || ! same_notes "$WORKTREE/.git"; then
	way=tree
	[[ $(wt rev-parse HEAD) == "$before" || $(wt rev-parse HEAD) == "$(wt rev-parse -q --verify refs/series/refreshed || true)" ]] ||
		way=rebase
	die "patches/ or whole files have edits that are not in $WORKTREE: '$(make_target $way)' takes them there"
fi
base=$(wt rev-parse refs/series/base)
mapfile -t parts < "$WORKTREE/.git/series-parts"
new_part=${parts[0]}
[[ " ${parts[*]} " != *" fix "* ]] || new_part=fix
wt merge-base --is-ancestor "$base" HEAD || die "HEAD of $WORKTREE does not stand on the base $base"
[[ -z $(wt rev-list --merges "$base..HEAD") ]] || die "$WORKTREE has a merge: a series is a line of commits"
mapfile -t commits < <(wt rev-list --reverse "$base..HEAD")

user_email=$(git -C "$TOP" config user.email || true)
out=$TMP/out
mkdir "$out"
declare -A whole=()	# path in the base -> subject of the commit that adds it
declare -A whole_blob=()
declare -A count=()
stage=0

part_of() {
	local part path
	part=$({ wt notes --ref=series show "$1" 2> /dev/null || true; } | sed -n 's/^Part: //p' | head -1)
	if [[ -z $part ]]; then
		part=$new_part
		if [[ " ${parts[*]} " == *" tests "* ]]; then
			part=tests
			while read -r path; do
				[[ $path == tools/testing/selftests/* || $path == Documentation/* ]] ||
					part=$new_part
			done < <(wt diff-tree -r --no-commit-id --name-only "$1")
		fi
	fi
	echo "$part"
}

# stripped COMMIT PARENT: the commit without the whole files, on PARENT.
stripped() {
	local path tree
	export GIT_INDEX_FILE=$TMP/index
	wt read-tree "$1"
	for path in "${!whole[@]}"; do
		printf '0 %s\t%s\n' 0000000000000000000000000000000000000000 "$path"
	done | wt update-index --index-info
	tree=$(wt write-tree)
	unset GIT_INDEX_FILE
	local name email
	name=$(wt log -1 --format=%an "$1")
	email=$(wt log -1 --format=%ae "$1")
	if [[ $email == "$user_email" ]]; then
		name=$SERIES_NAME email=$SERIES_EMAIL
	fi
	# Nobody signs here; who sends the series does, at "make series".
	wt log -1 --format=%B "$1" | sed '/^Signed-off-by: /d' | sgit stripspace |
		GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email \
		GIT_AUTHOR_DATE=$(wt log -1 --format=%ad --date=iso-strict "$1") \
		GIT_COMMITTER_DATE='2000-01-01T00:00:00Z' wt commit-tree -p "$2" -F - "$tree"
}

parent=$base
for commit in "${commits[@]}"; do
	subject=$(wt log -1 --format=%s "$commit")
	[[ ! $subject =~ ^(fixup|squash|amend)! ]] || die "'$subject' waits for 'git rebase -i --autosquash' in $WORKTREE"
	[[ $(wt rev-parse "$commit^{tree}") != "$(wt rev-parse "$commit^^{tree}")" ]] ||
		die "'$subject' changes nothing"
	part=$(part_of "$commit")
	while [[ ${parts[stage]} != "$part" ]]; do
		stage=$((stage + 1))
		[[ $stage -lt ${#parts[@]} ]] ||
			die "'$subject' is of part '$part' but stands above another part: reorder with 'git rebase -i' in $WORKTREE"
	done

	added=()
	while IFS=$'\t' read -r meta path; do
		read -r _ mode _ blob status <<< "$meta"
		if [[ -n ${whole[$path]:-} ]]; then
			die "'$subject' changes $path, which '${whole[$path]}' adds: fold it into that commit"
		fi
		if [[ $status == A && $mode == 100* ]] && here=$(to_here "$path"); then
			# Only what compose would put back at the same place.
			[[ $(to_base "$here") == "$path" ]] || die "$path cannot be mapped back to $here"
			whole[$path]=$subject
			whole_blob[$path]="$mode $blob $here"
			added+=("$here")
		fi
	done < <(wt diff-tree -r --no-commit-id --no-renames "$commit")

	new=$(stripped "$commit" "$parent")
	count[$part]=$((${count[$part]:-0} + 1))
	mkdir -p "$out/$part"
	file=$(wt -c diff.noprefix=false format-patch --zero-commit --no-signature --always --abbrev=12 \
		--no-renames --subject-prefix=PATCH -N --start-number="${count[$part]}" \
		-o "$out/$part" "$parent..$new")
	# The notes go between "---" and the diffstat.
	{
		{ wt notes --ref=series show "$commit" 2> /dev/null || true; } | sed '/^Part: /d' | sgit stripspace
		if [[ ${#added[@]} -gt 0 ]]; then
			echo "Whole-files:"
			printf '  %s\n' "${added[@]}" | sort
		fi
	} > "$TMP/note"
	if [[ -s $TMP/note ]]; then
		# A commit without edits has no "---" of its own.
		grep -q '^---$' "$file" || printf -- '---\n' >> "$file"
		awk -v note="$TMP/note" '
			{ print }
			/^---$/ && !done {
				done = 1
				while ((getline line < note) > 0)
					print line
				print ""
			}' "$file" > "$TMP/patch"
		mv "$TMP/patch" "$file"
	fi
	parent=$new
done

# gist PATCH...: all that is in them but for where in the base their lines are.
gist() { printf '%s\n' "${@##*/}"; sed -E '/^index /d; s/^@@ .*/@@/' "$@" < /dev/null; }
own() { say "$BASE: ${1#"$TOP"/patches/"$BASE"/} is its own now, and no link to $(readlink "$1")"; }

# Everything is known to be good: install it.
declare -A named_before=()
for part in "${parts[@]}"; do
	dir=$TOP/patches/$BASE/$part
	if [[ -L $dir ]]; then
		! cmp -s <(gist "$out/$part"/*.patch) <(gist "$dir"/*.patch) || continue
		own "$dir"
		cp -r "$dir/" "$TMP/own"
		rm "$dir"
		mv "$TMP/own" "$dir"
	fi
	mkdir -p "$dir"
	for patch in "$out/$part"/*.patch; do
		name=${patch##*/}
		link=("$dir"/[0-9]*-"${name#*-}")
		[[ -L ${link[0]:-} ]] || continue
		if cmp -s <(gist "$patch" | sed 1d) <(gist "${link[0]}" | sed 1d); then
			cp -P --remove-destination "${link[0]}" "$patch"
		else
			own "${link[0]}"
		fi
	done
	for patch in "$dir"/*.patch; do
		while read -r path; do
			named_before[$path]=1
		done < <(whole_files "$patch")
		[[ -e $out/$part/${patch##*/} || -L $out/$part/${patch##*/} ]] || rm "$patch"
	done
	for patch in "$out/$part"/*.patch; do
		there=$dir/${patch##*/}
		if [[ -L $patch || -L $there ]]; then
			cp -P --remove-destination "$patch" "$there"
		else
			cmp -s "$patch" "$there" || cp "$patch" "$there"
		fi
	done
done
for path in "${!whole_blob[@]}"; do
	read -r mode blob here <<< "${whole_blob[$path]}"
	unset "named_before[$here]"
	mkdir -p "$(dirname "$TOP/$here")"
	wt cat-file blob "$blob" > "$TMP/file"
	cmp -s "$TMP/file" "$TOP/$here" || cat "$TMP/file" > "$TOP/$here"
	if [[ $mode == 100755 ]]; then chmod +x "$TOP/$here"; else chmod -x "$TOP/$here"; fi
done
# A whole file that the series dropped goes, unless another base still has it.
for path in "${!named_before[@]}"; do
	grep -rqsxE --include='*.patch' "(Whole-files:)? *$path" "$TOP/patches" || rm -f "$TOP/$path"
done

again=$("$TOP/tools/series/compose.sh" "$BASE" --print)
[[ $(wt rev-parse "$again^{tree}") == "$(wt rev-parse 'HEAD^{tree}')" ]] ||
	die "what was written composes to another tree (git diff HEAD $again in $WORKTREE)"
# From here on nothing in the work tree is missing in patches/, nor the reverse.
wt update-ref refs/notes/series-composed refs/notes/series-now
wt update-ref refs/series/composed "$again"
wt update-ref refs/series/refreshed HEAD
say "$BASE: ${#commits[@]} patches, ${#whole[@]} whole files"
