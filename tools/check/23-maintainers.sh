#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every file of ours has an entry in MAINTAINERS, as the kernel's own
# scripts/get_maintainer.pl finds it.
# inputs: MAINTAINERS README.md Makefile COPYING .ci .b4-config .clang-format .editorconfig .gitignore patches arch include virt tools Documentation bases
. "$(dirname "$0")/lib.sh"

cd "$TOP" || exit
"$TOP/tools/series/compose.sh" "$BASENAME"
git -C "$BUILD/$BASENAME" show refs/series/composed:scripts/get_maintainer.pl > "$TMP/get_maintainer.pl"

# entries FILE: the titles of those that have it, and not because of what is in it.
entries() {
	perl "$TMP/get_maintainer.pl" --no-tree --mpath="${2:-$TOP/MAINTAINERS}" --no-git --no-git-fallback \
		--no-keywords --no-m --no-l --no-r --sections -f "$1"
}
bad=0 n=0
while read -r file; do
	n=$((n + 1))
	[[ $(entries "$file") ]] || { echo "$file: in no entry of MAINTAINERS"; bad=1; }
done < <(git ls-files --cached --others --exclude-standard)
echo "$n files"
[[ $n -gt 0 ]] || fail "no files"

grep -v '^F:	tools/check/$' MAINTAINERS > "$TMP/MAINTAINERS"
[[ ! $(entries tools/check/run "$TMP/MAINTAINERS") ]] || fail "a file in no entry is not seen"
exit $bad
