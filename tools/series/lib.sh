# SPDX-License-Identifier: GPL-2.0-only
# Shared by the scripts of tools/series; sourced, not run.
# shellcheck shell=bash disable=SC2034

set -euo pipefail
shopt -s nullglob
export LC_ALL=C
# What is not in the cache is compiled a quarter faster if ccache has the compiler
# name the headers, and does not run the preprocessor itself to see them.
export CCACHE_DEPEND=1
# The distribution's programs, whose modules are installed with them, come
# before those that a user may have put in front.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$TOP/tools/series/defaults.sh"
BUILD=${BUILD:-$TOP/build}
# The scripts change directories, and call each other from there.
[[ $BUILD == /* ]] || BUILD=$PWD/$BUILD
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/kvm-snp-vmsa
LOGS=$BUILD/logs
mkdir -p "$BUILD" "$CACHE" "$LOGS"

# The author of everything composed here. "make series" puts in who sends it.
SERIES_NAME="kvm-snp-vmsa"
SERIES_EMAIL="kvm-snp-vmsa@localhost"

die() { echo "${0##*/}: $*" >&2; exit 1; }
say() { echo "  $*"; }

# One directory for all the temporary files of a script, gone when it ends.
TMP=$(mktemp -d "$BUILD/tmp.XXXXXX")
trap 'rm -rf "$TMP"' EXIT
# Signals must end in EXIT too, or the directory stays.
trap 'exit 130' INT
trap 'exit 143' TERM

# one_at_a_time FILE: wait until no other script has this lock, and have it as
# long as this one runs.
one_at_a_time() {
	local fd
	exec {fd}> "$1.lock"
	flock "$fd"
}

# git without the user's configuration: the same input gives the same bytes.
sgit() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 \
	GIT_AUTHOR_NAME=${GIT_AUTHOR_NAME:-$SERIES_NAME} GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL:-$SERIES_EMAIL} \
	GIT_COMMITTER_NAME=$SERIES_NAME GIT_COMMITTER_EMAIL=$SERIES_EMAIL \
		git -c core.quotePath=false -c advice.detachedHead=false "$@"
}

# see_objects REPO GITDIR: have GITDIR use what is in REPO (a git directory),
# without copying, besides what it uses already.
see_objects() {
	local list=$2/objects/info/alternates dir
	mkdir -p "${list%/*}" "$2/info"
	{ readlink -f "$1/objects"; [[ ! -f $list ]] || cat "$list"; } | awk '!seen[$0]++' | while read -r dir; do
		[[ ! -d $dir ]] || echo "$dir"
	done > "$list.new"
	cmp -s "$list.new" "$list" && rm "$list.new" || mv "$list.new" "$list"
}

# not_written DIR WHAT LOG: end, because WHAT could not be written in there.
not_written() {
	local left
	left=$(df -m --output=avail "$1" | tail -n 1)
	[[ $left -ge 16 ]] || die "no room for $2 in $1 ($((left)) MB are left)"
	die "cannot write $2 in $1 (log: $3)"
}

# new_tree REPO DIR [PATTERN...]: a git work tree DIR, empty yet, that uses what is in
# REPO; only what matches these patterns (as in .gitignore) is ever checked out.
new_tree() {
	local repo=$1 dir=$2
	shift 2
	sgit init -q --template= -b series "$dir"
	see_objects "$repo" "$dir/.git"
	[[ $# -eq 0 ]] || sgit -C "$dir" sparse-checkout set --no-cone "$@"
}

# same_notes GITDIR: the notes in patches/ are those that the work tree was
# composed with. (One composed before there was a record of that counts as such.)
same_notes() {
	local now was
	now=$(sgit --git-dir="$1" rev-parse -q --verify 'refs/notes/series-now^{tree}')
	was=$(sgit --git-dir="$1" rev-parse -q --verify 'refs/notes/series-composed^{tree}' || true)
	[[ -z $was || $was == "$now" ]]
}

# make_target NAME: what to say to make for the loaded base.
make_target() {
	[[ $BASE_KIND == linux ]] || set -- "$BASE_KIND-$1"
	echo "make $1"
}

# base_load NAME: read tools/series/bases/NAME into BASE_* variables.
base_load() {
	local file=$TOP/tools/series/bases/$1 key rest
	[[ -f $file ]] || die "no base '$1' (there are:$(printf ' %s' "${file%/*}"/* | sed "s,${file%/*}/,,g"))"
	BASE=$1 BASE_KIND='' BASE_PACKAGE='' BASE_SOURCE='' BASE_SUITE=own BASE_PARTS='' BASE_DEFAULT=''
	BASE_PREFIX=PATCH BASE_TO='' BASE_CC='' BASE_MARKER='' BASE_HOME='' BASE_WHOLE='' BASE_HAS=() BASE_MAP=() BASE_OPTION=()
	BASE_VULNERABLE='' BASE_FIXED='' BASE_DIES=()
	while read -r key rest; do
		case $key in
		''|'#'*) ;;
		kind)    BASE_KIND=$rest ;;
		package) BASE_PACKAGE=$rest ;;
		source)  BASE_SOURCE=$rest ;;
		suite)   BASE_SUITE=$rest ;;
		parts)   BASE_PARTS=$rest ;;
		default) BASE_DEFAULT=$rest ;;
		prefix)  BASE_PREFIX=$rest ;;
		to)      BASE_TO=$rest ;;
		cc)      BASE_CC=$rest ;;
		marker)  BASE_MARKER=$rest ;;
		home)    BASE_HOME=$rest/ ;;
		whole)   BASE_WHOLE=$rest ;;
		has)     BASE_HAS+=("$rest") ;;
		map)     BASE_MAP+=("$rest") ;;
		option)  BASE_OPTION+=("$rest") ;;
		vulnerable) BASE_VULNERABLE=$rest ;;
		fixed)   BASE_FIXED=$rest ;;
		dies)    BASE_DIES+=("$rest") ;;
		*)       die "$file: unknown word '$key'" ;;
		esac
	done < "$file"
	# A user's tree: LINUX_SRC or QEMU_SRC.
	local var=${BASE_KIND^^}_SRC
	BASE_USERSRC=${!var:-}
	BASE_REPO=$CACHE/$BASE_KIND.git
	# All clones share the cache: what one of them is pointed at stays out of it.
	[[ -z $BASE_USERSRC ]] || BASE_REPO=$BUILD/$BASE_KIND-src.git
	WORKTREE=$BUILD/$BASE
}

# The parts to compose, in the order in which they stack.
parts_wanted() {
	local p want=${PARTS:-${BASE_DEFAULT:-$BASE_PARTS}}
	for p in $want; do
		[[ " $BASE_PARTS " == *" $p "* ]] || die "base $BASE has no part '$p' (there are: $BASE_PARTS)"
	done
	for p in $BASE_PARTS; do
		[[ " $want " != *" $p "* ]] || echo "$p"
	done
}

# to_base PATH: path in the base of a whole file that stands at PATH here.
to_base() {
	local path=${1#"$BASE_HOME"} m from to
	for m in "${BASE_MAP[@]}"; do
		read -r from to <<< "$m"
		if [[ $path == "$from"* ]]; then
			echo "$to${path#"$from"}"
			return
		fi
	done
	echo "$path"
}

# to_here PATH: the reverse; fails if such a file does not stand whole here.
to_here() {
	local path=$1 m from to root
	for m in "${BASE_MAP[@]}"; do
		read -r from to <<< "$m"
		if [[ $path == "$to"* ]]; then
			path=$from${path#"$to"}
			break
		fi
	done
	for root in $BASE_WHOLE; do
		if [[ $root == . || $path == "$root"/* ]]; then
			echo "$BASE_HOME$path"
			return
		fi
	done
	return 1
}

# upstream_version VERSION: that of a package or of a release, as upstream has it.
upstream_version() { echo "${1%%[-+~]*}"; }

# not_before VERSION VERSION: the first is the same or newer.
not_before() { [[ $(printf '%s\n' "$1" "$2" | sort -V | tail -n 1) == "$1" ]]; }

# newest: of lines "VERSION SUITE ...", the one with the newest version. If upstream
# it is the same in several suites, that of the suite that comes first is taken.
newest() {
	local line best='' version suite best_version at
	while read -r line; do
		read -r version suite _ <<< "$line"
		if [[ -n $best ]]; then
			read -r best_version at _ <<< "$best"
			if [[ $suite == "$at" ]]; then
				not_before "$version" "$best_version" || continue
			else
				! not_before "$(upstream_version "$best_version")" "$(upstream_version "$version")" || continue
			fi
		fi
		best=$line
	done
	echo "$best"
}

# in_suites PATTERN: such packages in all suites of the base, as lines "VERSION SUITE
# NAME".
in_suites() {
	local suite
	for suite in $BASE_SUITE; do
		"$TOP/tools/series/apt.sh" list "$1" "$suite" | awk -v s="$suite" '{ print $2, s, $1 }' || return
	done
}

# whole_files PATCH: the paths in the "Whole-files:" list of its notes.
whole_files() {
	awk '/^diff --git / { exit }
	     !notes { notes = /^---$/; next }
	     sub(/^Whole-files:/, "") { on = 1; for (i = 1; i <= NF; i++) print $i; next }
	     on && NF == 0 { exit }
	     on { for (i = 1; i <= NF; i++) print $i }' "$1"
}
