#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# export.sh BASE [--files]
#
# Write build/series/BASE/PART/: one patch a commit with the whole files in it,
# a cover letter (text from patches/BASE/PART/cover: subject, empty line, body),
# PART.mbx with the patches for git am, which stops at a mail without a patch, and
# PART.cover.mbx with the text of the cover letter, too, for b4 and "git am
# --empty=drop". You, as git knows you, are who sends: author of what has no other
# author, and signed off by.
#
# The same stands in the work tree as the branch b4/PART, for "b4 send": its
# first commit is the cover letter. REVISION=2 makes a second version of what was
# exported before. With --files: no branch, and no version but the first.
. "$(dirname "$0")/lib.sh"

[[ $# -ge 1 ]] || die "usage: export.sh BASE [--files]"
files=${2:-}
base_load "$1"
name=$(git -C "$TOP" config user.name || true)
email=$(git -C "$TOP" config user.email || true)
[[ -n $name && -n $email ]] ||
	die "git does not know who sends the series: git config --global user.name and user.email"
[[ -n $BASE_TO ]] || die "tools/series/bases/$BASE does not say where its patches go ('to LIST')"
wt() { sgit -C "$WORKTREE" "$@"; }
as_you() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email \
		git -C "$WORKTREE" "$@"
}

# What is exported is what patches/ compose to, and nothing else is in the tree.
if [[ -d $WORKTREE/.git ]]; then
	wt update-index -q --refresh > /dev/null || true
	wt diff-index --quiet HEAD -- ||
		die "$WORKTREE has edits that are not committed: commit and '$(make_target refresh)', or 'git checkout .' there"
	head=$(wt rev-parse HEAD)
	[[ $(wt symbolic-ref -q HEAD) != refs/heads/b4/* ]] || die "$WORKTREE is at an exported branch: 'git checkout series' there"
	[[ $head == "$(wt rev-parse refs/series/composed)" || $head == "$(wt rev-parse -q --verify refs/series/refreshed || true)" ]] ||
		die "$WORKTREE has commits that are not in patches/: '$(make_target refresh)' first"
fi
"$TOP/tools/series/compose.sh" "$BASE"
base=$(wt rev-parse refs/series/base)
[[ $(wt rev-parse HEAD) == "$(wt rev-parse refs/series/composed)" ]] ||
	die "$WORKTREE is not what patches/ compose to: '$(make_target refresh)' first"

# A tree of the user's that is no stable release gets what mainline gets.
prefix=$BASE_PREFIX
base_commit=$(wt log -1 --format=%b "$base" | sed -n 's/^The files of commit //p')
stable=1
if [[ -n $BASE_USERSRC && $BASE_KIND == linux && $(wt show "$base:Makefile" | sed -n 's/^SUBLEVEL *= *//p') == 0 ]]; then
	prefix=PATCH stable=
fi
lists=()
for address in $BASE_CC; do
	[[ -z $stable && $address == stable@* ]] || lists+=("$address")
done
# copies_to RANGE: as a header, the lists and those who are named in trailers there;
# b4 does the same.
copies_to() {
	{ printf '%s\n' "${lists[@]}"; wt log --reverse --format='%(trailers:only,unfold)' "$1" |
		sed -En 's/[ \t]*#.*//; s/^[A-Za-z-]+: *([^<>:@]*<[^<> ]+@[^<> ]+>|[^<>:@ ]+@[^<> ]+)$/\1/p'; } |
		python3 -c 'import sys; from email.utils import *
cc = {address: name for name, address in reversed(getaddresses(sys.stdin)) if address and address not in sys.argv}
if cc: print("Cc:", ", ".join(formataddr((name, address)) for address, name in reversed(cc.items())))' "$email" "$BASE_TO"
}

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
# headers PATCH LINE...: put them at the end of its headers.
headers() {
	awk -v lines="$(printf '%s\n' "${@:2}" | sed '/^$/d')" '!done && NF == 0 { print lines; done = 1 } { print }' "$1" > "$TMP/headed"
	mv "$TMP/headed" "$1"
}
part_of() { wt notes --ref=series show "$1" | sed -n '1s/^Part: //p'; }
# signed_off PART PARENT: its commits, signed off, on PARENT; prints the last.
signed_off() {
	local commit author author_email signed=$2
	for commit in $(wt rev-list --reverse "$base..refs/series/composed"); do
		[[ $(part_of "$commit") == "$1" ]] || continue
		author=$name author_email=$email
		if [[ $(wt log -1 --format=%ae "$commit") != "$SERIES_EMAIL" ]]; then
			author=$(wt log -1 --format=%an "$commit")
			author_email=$(wt log -1 --format=%ae "$commit")
		fi
		# What its notes say goes below the line where git am stops to read.
		wt notes --ref=series show "$commit" | sed 1d | sgit stripspace > "$TMP/note"
		signed=$({
			wt log -1 --format=%B "$commit" |
				sgit interpret-trailers --if-exists addIfDifferent --trailer "Signed-off-by: $name <$email>"
			[[ ! -s $TMP/note ]] || { echo ---; cat "$TMP/note"; }
		} | GIT_AUTHOR_NAME=$author GIT_AUTHOR_EMAIL=$author_email \
			GIT_AUTHOR_DATE=$(wt log -1 --format=%ad --date=iso-strict "$commit") \
			as_you commit-tree -p "$signed" -F - "$commit^{tree}")
	done
	echo "$signed"
}

# A commit that holds a cover letter is told by this line, here as in b4.
MAGIC='--- b4-submit-tracking ---'
cover_commit() { wt log -1 -F --grep="$MAGIC" --format=%H "$1"; }
# tracking OLD REVISION BEFORE ID PREFIX CHANGE-ID: what b4 wants to know, and what
# is known of the message of the commit OLD, after a line with the message ID of
# the revision BEFORE.
tracking() {
	{ [[ -z $1 ]] || wt log -1 --format=%B "$1"; } > "$TMP/old"
	python3 - "$MAGIC" "$TMP/old" "${@:2}" <<-'PY'
		import json, sys
		magic, old, revision, before, msgid, prefix, change = sys.argv[1:]
		text = open(old).read()
		series = json.loads("{" + text.split(magic)[1].split("{", 1)[1])["series"] if magic in text else {}
		exported = series.setdefault("exported", {})
		sent = series.get("history", {}).get("v" + before)
		print(sent[-1] if sent else exported.get("v" + before, ""))
		exported["v" + revision] = msgid
		series.update({"revision": int(revision), "change-id": change, "base-branch": "series",
		               "prefixes": prefix.split()[1:]})
		print(magic)
		print(json.dumps({"series": series}, indent=2))
	PY
}
# known_of COMMIT NAME: what such a commit says of itself.
known_of() { wt log -1 --format=%B "$1" | sed -n "s/^ *\"$2\": \"*\([^\",]*\)\"*,*\$/\1/p"; }

# What was exported of parts that are not exported now goes; a branch only if
# nobody has changed it.
rm -rf "$BUILD/series/$BASE"
mapfile -t parts < "$WORKTREE/.git/series-parts"
exported() { wt for-each-ref --sort=-version:refname --format='%(refname) %(objectname)' "refs/series/exported/$1/"; }
if [[ -z $files ]]; then
	while read -r part; do
		[[ " ${parts[*]} " == *" $part "* ]] || ! exported "$part" | grep -q " $(wt rev-parse "refs/heads/b4/$part")$" ||
			wt branch -q -D "b4/$part"
	done < <(wt for-each-ref --format='%(refname)' refs/heads/b4/ | sed 's,^refs/heads/b4/,,')
	wt config b4.prep-cover-template "$TOP/tools/series/cover-template"
	wt config core.abbrev 12
fi

last=$base
for part in "${parts[@]}"; do
	cover=$TOP/patches/$BASE/$part/cover
	count=$(for commit in $(wt rev-list "$base..refs/series/composed"); do part_of "$commit"; done | grep -cxF -e "$part" || true)
	[[ $count -gt 0 ]] || continue
	[[ -f $cover ]] || die "$BASE/$part has no cover letter: its text belongs in ${cover#"$TOP"/}"
	title=$(head -n 1 "$cover")
	slug=${BASE//[^a-z0-9]/-}-$part
	change=$(wt log -1 --format=%ad --date=format:%Y%m%d refs/series/composed)-$slug-$(sha256sum <<< "$slug $title" | cut -c1-12)

	# Which version it is, and what the last one was.
	branch=refs/heads/b4/$part tip='' revision=1 before=0 previous=''
	if [[ -z $files ]]; then
		tip=$(wt rev-parse -q --verify "$branch" || true)
		read -r _ known < <(exported "$part") || known=
		if [[ -n $tip ]] && ! exported "$part" | grep -q " $tip$"; then
			# b4 made a new version of it, or somebody has worked in there.
			wt update-ref "$branch.$(wt rev-parse --short "$tip")" "$tip"
			say "$BASE/$part: the branch b4/$part was changed, and is kept as b4/$part.$(wt rev-parse --short "$tip")"
		fi
		tip=${tip:-$known}
		if [[ -n $tip ]]; then
			revision=$(known_of "$(cover_commit "$tip")" revision)
			change=$(known_of "$(cover_commit "$tip")" change-id)
		fi
		revision=${REVISION:-$revision}
		read -r previous previous_tip < <(exported "$part" | awk -v n="$revision" '{ v = $1; sub(".*/v", "", v) } v + 0 < n + 0') || true
		before=${previous##*/v}
	fi

	msgid=$change-v$revision-0-$(head -c 6 /dev/urandom | od -An -tx1 | tr -d ' \n')@${email#*@}
	{
		read -r reply || true
		cat > "$TMP/tracking"
	} < <(tracking "${tip:+$(cover_commit "$tip")}" "$revision" "${before:-0}" "$msgid" "$prefix" "$change")
	{
		sed 1,2d "$cover"
		[[ -n $base_commit ]] || printf '\nBase: %s\n' "$(wt log -1 --format=%s "$base")"
		if [[ -n $previous ]]; then
			printf '\nRange-diff against v%s:\n' "$before"
			start=$(wt commit-tree -p "$last" -m cover "$last^{tree}")
			wt range-diff --no-color "$(cover_commit "$previous_tip")..$previous_tip" "$start..$(signed_off "$part" "$start")"
		fi
		[[ -z $base_commit && $last == "$base" ]] || echo
		[[ -z $base_commit ]] || echo "base-commit: $base_commit"
		wt log -p --no-renames --reverse "$base..$last" | wt patch-id --stable | sed 's/ .*//; s/^/prerequisite-patch-id: /'
	} | sgit stripspace > "$TMP/cover"
	start=$({
		echo "$title"
		echo
		cat "$TMP/cover"
		echo
		echo "To: $BASE_TO"
		[[ ${#lists[@]} -eq 0 ]] || printf 'Cc: %s\n' "${lists[@]}"
		echo
		cat "$TMP/tracking"
	} | GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email as_you commit-tree -p "$last" -F - "$last^{tree}")
	last=$(signed_off "$part" "$start")
	if [[ -z $files ]]; then
		wt update-ref "$branch" "$last"
		wt update-ref "refs/series/exported/$part/v$revision" "$last"
		wt config "branch.b4/$part.b4-prep-cover-strategy" commit
	fi

	out=$BUILD/series/$BASE/$part
	mkdir -p "$out"
	options=()
	[[ $revision -eq 1 ]] || options+=("-v$revision")
	as_you -c core.abbrev=12 format-patch -q -p --stat=80 --zero-commit --no-renames --numbered --no-thread \
		--cover-letter --subject-prefix="$prefix" --no-signature "${options[@]}" -o "$out" "$start..$last"
	mails=("$out"/*.patch)
	ranges=("$start..$last")
	for commit in $(wt rev-list --reverse "$start..$last"); do
		ranges+=("$commit^!")
	done
	for i in "${!mails[@]}"; do
		unfold "${mails[i]}"
		headers "${mails[i]}" "To: $BASE_TO" "$(copies_to "${ranges[i]}")" \
			"Message-Id: <${msgid/-v$revision-0-/-v$revision-$i-}>"
		[[ $i -eq 0 ]] || headers "${mails[i]}" "In-Reply-To: <$msgid>" "References: <$msgid>"
	done
	[[ -z $reply ]] || headers "${mails[0]}" "In-Reply-To: <$reply>" "References: <$reply>"
	# The cover letter as b4 makes it of the same text and template.
	{
		awk -v title="$title" '{ sub(/\*\*\* SUBJECT HERE \*\*\*/, title); print } NF == 0 { exit }' "${mails[0]}"
		text=$(grep -v '^#' "$TOP/tools/series/cover-template")
		for variable in "cover:$(cat "$TMP/cover")" "shortlog:$(wt shortlog "$start..$last")" \
			"diffstat:$(wt diff --stat "$start..$last")" "change_id:$change"; do
			text=${text/"\${${variable%%:*}}"/"${variable#*:}"}
		done
		echo "$text"
	} > "$TMP/letter"
	mv "$TMP/letter" "${mails[0]}"
	cat "${mails[@]:1}" > "$out/$part.mbx"
	# git am takes what is below a --- for a patch, and a bad one.
	{ sed '/^---$/,$d' "${mails[0]}"; cat "$out/$part.mbx"; } > "$out/$part.cover.mbx"
	say "$BASE/$part: $count patches${previous:+, version $revision,} in ${out#"$TOP"/}, mailbox $part.mbx$([[ -n $files ]] || echo ", branch b4/$part")"
done
