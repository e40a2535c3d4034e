#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The .rst files that the series adds or edits, and our own, are read by
# docutils without a new message.
# inputs: patches Documentation tools/series bases
. "$(dirname "$0")/lib.sh"

rst=$(command -v rst2html || command -v rst2html.py || true)
[[ -n $rst ]] || skip "no docutils"
cd "$TOP" || exit
tree=$BUILD/$BASENAME
"$TOP/tools/series/compose.sh" "$BASENAME"
base=$(git -C "$tree" rev-parse refs/series/base)

# Roles and directives of Sphinx are unknown to plain docutils; what it says
# about those is not ours.
messages() {
	"$rst" --halt=5 --report=1 "$1" /dev/null 2>&1 |
		grep -E '\((WARNING|ERROR|SEVERE)/[234]\)' |
		grep -vE 'Unknown (interpreted text role|directive type)|No (role|directive) entry' |
		sed -E 's/^[^(]*\(/(/' | sort
}
bad=0
check() {	# NEW OLD NAME
	messages "$1" > "$TMP/new" || true
	messages "$2" > "$TMP/old" || true
	if comm -23 "$TMP/new" "$TMP/old" | grep .; then
		echo "$3: new messages"
		bad=1
	else
		echo "clean: $3"
	fi
}
: > "$TMP/empty.rst"
while read -r file; do
	[[ $file == *.rst ]] || continue
	git -C "$tree" show "refs/series/composed:$file" > "$TMP/new.rst"
	git -C "$tree" show "$base:$file" > "$TMP/old.rst" 2> /dev/null || : > "$TMP/old.rst"
	check "$TMP/new.rst" "$TMP/old.rst" "$file"
	# A page that nothing refers to is a warning in the kernel's own build.
	if ! git -C "$tree" cat-file -e "$base:$file" 2> /dev/null; then
		name=$(basename "$file" .rst)
		git -C "$tree" grep -qE "^ +$name( |\$)" refs/series/composed -- "$(dirname "$file")/index.rst" ||
			{ echo "$file: in no toctree"; bad=1; }
	fi
done < <(git -C "$tree" diff --name-only --diff-filter=d "$base" refs/series/composed -- Documentation)
for file in Documentation/project/*.rst; do
	check "$file" "$TMP/empty.rst" "$file"
done

printf 'Title\n===\n\n.. note::\nbad *emphasis\n' > "$TMP/bad.rst"
[[ -n $(messages "$TMP/bad.rst") ]] || fail "faults in an .rst are not seen"
exit $bad
