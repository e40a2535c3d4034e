#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# export.sh BASE
#
# Write build/series/BASE/PART/: one patch a commit with the whole files in it,
# a cover letter (text from patches/BASE/PART/cover: subject, empty line, body),
# and PART.mbx with the patches for git am and b4. You, as git knows you, are
# who sends: author of what has no other author, and signed off by.
. "$(dirname "$0")/lib.sh"

[[ $# -eq 1 ]] || die "usage: export.sh BASE"
base_load "$1"
name=$(git -C "$TOP" config user.name || true)
email=$(git -C "$TOP" config user.email || true)
[[ -n $name && -n $email ]] ||
	die "git does not know who sends the series: git config --global user.name and user.email"

"$TOP/tools/series/compose.sh" "$BASE"
wt() { sgit -C "$WORKTREE" "$@"; }
base=$(wt rev-parse refs/series/base)
[[ $(wt rev-parse HEAD) == "$(wt rev-parse refs/series/composed)" ]] ||
	die "$WORKTREE is not what patches/ compose to"

# b4 0.12 dies of a header that git folded.
unfold() {
	awk '/^From 0+ / { header = 1; print; next }
	     header && /^[ \t]/ { sub(/^[ \t]+/, " "); held = held $0; next }
	     header && held != "" { print held; held = "" }
	     header && NF == 0 { header = 0; print; next }
	     header { held = $0; next }
	     { print }' "$1" > "$TMP/unfolded"
	mv "$TMP/unfolded" "$1"
}

signed=$base
mapfile -t parts < "$WORKTREE/.git/series-parts"
for part in "${parts[@]}"; do
	cover=$TOP/patches/$BASE/$part/cover
	start=$signed
	while read -r commit; do
		[[ $(wt notes --ref=series show "$commit" | sed -n 's/^Part: //p') == "$part" ]] || continue
		author=$name author_email=$email
		if [[ $(wt log -1 --format=%ae "$commit") != "$SERIES_EMAIL" ]]; then
			author=$(wt log -1 --format=%an "$commit")
			author_email=$(wt log -1 --format=%ae "$commit")
		fi
		date=$(wt log -1 --format=%ad --date=iso-strict "$commit")
		signed=$(wt log -1 --format=%B "$commit" |
			sgit interpret-trailers --if-exists addIfDifferent --trailer "Signed-off-by: $name <$email>" |
			GIT_AUTHOR_NAME=$author GIT_AUTHOR_EMAIL=$author_email GIT_AUTHOR_DATE=$date \
			GIT_COMMITTER_DATE=$date wt commit-tree -p "$signed" -F - "$commit^{tree}")
	done < <(wt rev-list --reverse "$base..refs/series/composed")

	out=$BUILD/series/$BASE/$part
	rm -rf "$out"
	mkdir -p "$out"
	count=$(wt rev-list --count "$start..$signed")
	[[ $count -gt 0 ]] || continue
	format() {
		GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 \
		GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email \
		git -C "$WORKTREE" format-patch -q --zero-commit --no-renames --abbrev=12 --thread=shallow \
			--numbered --subject-prefix="$BASE_PREFIX" --base="$base" --no-signature "$@" "$start..$signed"
	}
	# The mailbox is for applying, and "git am" stops at a cover letter.
	format --stdout > "$out/$part.mbx"
	unfold "$out/$part.mbx"
	if [[ -f $cover ]]; then
		format --cover-letter -o "$out"
		awk -v cover="$cover" -v base="$(wt log -1 --format=%s "$base")" '
			/\*\*\* SUBJECT HERE \*\*\*/ {
				getline line < cover
				sub(/\*\*\* SUBJECT HERE \*\*\*/, line)
			}
			/\*\*\* BLURB HERE \*\*\*/ {
				getline line < cover	# the empty one
				while ((getline line < cover) > 0)
					print line
				print "\nBase: " base
				next
			}
			{ print }' "$out/0000-cover-letter.patch" > "$TMP/cover"
		mv "$TMP/cover" "$out/0000-cover-letter.patch"
	else
		say "$BASE/$part: no cover letter (its text belongs in ${cover#"$TOP"/})"
		format -o "$out"
	fi
	for patch in "$out"/*.patch; do
		unfold "$patch"
	done
	say "$BASE/$part: $count patches in ${out#"$TOP"/}, mailbox $part.mbx"
done
