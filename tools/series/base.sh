#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# base.sh BASE [--update | --version VERSION]
#
# Have the base as one commit, and print that. It comes from the package that the
# base names, into the cache, or from the tree in LINUX_SRC or QEMU_SRC, into a
# git directory under build/. A package that is there already is used as it is;
# --update looks for a newer. The base is the newest that its suites have, the same
# from the first of them; with --version it is, this once, that version of the package.
. "$(dirname "$0")/lib.sh"

[[ $# -ge 1 ]] || die "usage: base.sh BASE [--update | --version VERSION]"
base_load "$1"

one_at_a_time "${BASE_REPO%.git}"
# What an interrupted import has left.
rm -f "$BASE_REPO"/objects/pack/tmp_* "$BASE_REPO"/fast_import_crash_*

[[ -d $BASE_REPO ]] || sgit init -q --bare "$BASE_REPO"
TMPREF=refs/bases/importing
DATE='946684800 +0000'	# the same base is always the same commit
repo() { sgit --git-dir="$BASE_REPO" "$@"; }

# import MESSAGE [OPTION...] < TAR: commit the files of an archive, print the
# commit. It does not depend on who does it and when.
import() {
	"$TOP/tools/series/tar2git.py" "$@" |
		repo -c core.compression=1 -c fastimport.unpackLimit=0 fast-import --quiet --done \
			--force --date-format=raw > "$LOGS/fast-import.log" 2>&1 ||
		not_written "${BASE_REPO%/*}" "the files of $BASE" "$LOGS/fast-import.log"
}

from_user() {
	local src=$1 what=$BASE_KIND head commit
	[[ -d $src ]] || die "${BASE_KIND^^}_SRC=$src: no such directory"
	if git -C "$src" rev-parse -q --verify HEAD > /dev/null 2>&1 &&
	   [[ -z $(git -C "$src" rev-parse --show-prefix 2> /dev/null) ]]; then
		git -C "$src" cat-file -e "HEAD:$BASE_MARKER" 2> /dev/null ||
			die "${BASE_KIND^^}_SRC=$src: no $what tree (its HEAD has no $BASE_MARKER)"
		# Fetching leaves the user's tree alone, and what was fetched stays
		# whatever becomes of that tree.
		git --git-dir="$BASE_REPO" fetch -q --depth=1 --no-tags \
			"file://$(cd "$src" && pwd)" +HEAD:"refs/bases/head/$BASE" ||
			die "${BASE_KIND^^}_SRC=$src: cannot fetch its HEAD"
		# Its files as a commit without parents: what comes before is not here,
		# and it may be one of those that are made here.
		head=$(repo rev-parse "refs/bases/head/$BASE")
		commit=$({ repo log -1 --format=%s "$head"; printf '\nThe files of commit %s\n' "$head"; } |
			GIT_AUTHOR_DATE=$DATE GIT_COMMITTER_DATE=$DATE repo commit-tree "$head^{tree}")
		repo update-ref "refs/bases/user/$BASE" "$commit"
	else
		[[ -f $src/$BASE_MARKER ]] ||
			die "${BASE_KIND^^}_SRC=$src: no $what tree (it has no $BASE_MARKER)"
		[[ ! -e $src/.config && ! -e $src/include/config ]] ||
			die "${BASE_KIND^^}_SRC=$src: was built in place, run 'make mrproper' there first"
		# Hard links would show as such, if tar were let.
		tar c --hard-dereference --sort=name -C "$src" . |
			import "refs/bases/user/$BASE" "$BASE from a plain tree"
	fi
	repo rev-parse "refs/bases/user/$BASE"
}

# ref_of VERSION: not every character of a version may stand in a ref.
ref_of() { echo "refs/bases/${BASE_PACKAGE:-$BASE_SOURCE}/${1//[^A-Za-z0-9.+-]/_}"; }

# from_package [VERSION]
from_package() {
	local file='' version=${1:-} suite commit src=$TMP/src found
	if [[ -n $BASE_PACKAGE ]]; then
		say "$BASE: looking for $BASE_PACKAGE $version in: $BASE_SUITE" >&2
		if [[ -n $version ]]; then
			for suite in $BASE_SUITE; do
				found=$("$TOP/tools/series/apt.sh" list "$BASE_PACKAGE" "$suite")
				[[ $'\n'$found$'\n' != *$'\n'"$BASE_PACKAGE $version"$'\n'* ]] || break
				suite=
			done
			[[ -n $suite ]] || die "no $BASE_PACKAGE $version in: $BASE_SUITE"
		else
			found=$(in_suites "$BASE_PACKAGE" | newest)
			[[ -n $found ]] || die "the archive has no package $BASE_PACKAGE in: $BASE_SUITE"
			read -r version suite _ <<< "$found"
		fi
		repo rev-parse -q --verify "$(ref_of "$version")" > /dev/null ||
			file=$("$TOP/tools/series/apt.sh" deb "$BASE_PACKAGE" "$suite" "$version")
	else
		say "$BASE: looking for the source of $BASE_SOURCE in $BASE_SUITE" >&2
		file=$("$TOP/tools/series/apt.sh" src "$BASE_SOURCE" "$BASE_SUITE")
		version=$(awk '$1 == "Version:" { print $2; exit }' "$file")
	fi
	local ref
	ref=$(ref_of "$version")
	if ! commit=$(repo rev-parse -q --verify "$ref"); then
		say "$BASE: unpacking version $version (a minute)" >&2
		if [[ -n $BASE_PACKAGE ]]; then
			# The distribution has git ignore all but its own debian/;
			# here people add kernel files.
			dpkg-deb --fsys-tarfile "$file" |
				tar xO --wildcards './usr/src/linux-source-*.tar.xz' | xz -dc |
				import "$TMPREF" "$BASE_PACKAGE $version" --strip 1 --edit-gitignore
		else
			dpkg-source --no-check -x "$file" "$src" > "$LOGS/dpkg-source.log" 2>&1 ||
				die "cannot unpack $file (log: $LOGS/dpkg-source.log)"
			tar c --hard-dereference --sort=name -C "$src" --exclude=./.pc . |
				import "$TMPREF" "$BASE_SOURCE $version"
			rm -rf "$src"
		fi
		commit=$(repo rev-parse "$TMPREF")
		repo cat-file -e "$commit:$BASE_MARKER" || die "$file has no $BASE_MARKER"
		repo update-ref "$ref" "$commit"
		repo update-ref -d "$TMPREF"
	fi
	[[ -n ${1:-} ]] || repo update-ref "refs/bases/current/$BASE" "$commit"
	echo "$commit"
}

if [[ ${2:-} == --version ]]; then
	repo rev-parse -q --verify "$(ref_of "$3")" || from_package "$3"
elif [[ -n $BASE_USERSRC ]]; then
	from_user "$BASE_USERSRC"
elif [[ ${2:-} != --update ]] && commit=$(repo rev-parse -q --verify "refs/bases/current/$BASE"); then
	echo "$commit"
else
	from_package
fi
