#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# apt.sh deb PATTERN [SUITE [VERSION]] | src PACKAGE [SUITE] | list PATTERN [SUITE] |
#	debs PACKAGE SUITE
#
# Download a binary or a source package of the machine's own archive into the
# cache, and print the path of the .deb or .dsc. PATTERN is an extended regular
# expression for a name: of several packages it is the one with the highest
# version in its name. With "list", print the name and the version of all binary
# packages that there are, and download none. With "debs", download a package and
# all that it depends on, not into the cache, and print their paths. SUITE "own"
# is all of the machine's. The system's apt state is only
# read: lists live in a private directory, made from the machine's own source
# entries, with the suite and the type (deb, deb-src) replaced.
. "$(dirname "$0")/lib.sh"

[[ $# -ge 2 ]] || die "usage: apt.sh deb|src|list PACKAGE [SUITE]"
what=$1 package=$2 suite=${3:-} version=${4:-}
[[ $suite != own ]] || suite=''
case $what in
deb|list|debs) type=deb ;;
src) type=deb-src ;;
*) die "unknown kind of package '$what'" ;;
esac
. /etc/os-release
[[ -n ${VERSION_CODENAME:-} ]] || die "/etc/os-release names no release"

etc=${APT_ETC:-/etc/apt}
state=$BUILD/apt/$type-${suite:-own}
log=$LOGS/apt-$type-${suite:-own}.log
mkdir -p "$BUILD/apt"
one_at_a_time "$state"
mkdir -p "$state"/{lists/partial,cache/archives/partial,etc/sources.list.d,etc/preferences.d}
rm -f "$state"/etc/sources.list.d/*

# Only entries of the release itself (other archives have no such suites):
# all its suites for SUITE '', else the main one, or the one with security
# updates, with its suite replaced.
main=$VERSION_CODENAME
[[ $suite != *-security ]] || main+=-security
entries_deb822() {
	awk -v RS= -v ORS='\n\n' -v FS='\n' -v type="$type" -v own="$VERSION_CODENAME" -v main="$main" -v suite="$suite" '
	/(^|\n)Enabled: *no/ { next }
	{
		out = ""; mine = ""; isdeb = 0
		for (i = 1; i <= NF; i++) {
			if ($i ~ /^#/)
				continue
			if ($i ~ /^Types:/) {
				isdeb = ($i ~ /deb( |$)/)
				$i = "Types: " type
			} else if ($i ~ /^Suites:/) {
				n = split($i, w, " ")
				for (j = 2; j <= n; j++)
					if (suite == "" ? (w[j] == own || index(w[j], own "-") == 1) : w[j] == main)
						mine = mine " " w[j]
				$i = "Suites:" (suite == "" ? mine : " " suite)
			}
			out = out (out == "" ? "" : "\n") $i
		}
		if (isdeb && mine != "")
			print out
	}' "$@"
}
entries_list() {
	awk -v type="$type" -v own="$VERSION_CODENAME" -v main="$main" -v suite="$suite" '
	$1 == "deb" {
		s = ($2 ~ /^\[/) ? 0 : 3
		for (i = 2; !s && i <= NF; i++)
			if ($i ~ /\]$/)
				s = i + 2
		if (s && (suite == "" ? ($s == own || index($s, own "-") == 1) : $s == main)) {
			$1 = type
			if (suite != "")
				$s = suite
			print
		}
	}' "$@"
}
sources=("$etc"/sources.list.d/*.sources)
lists=("$etc"/sources.list.d/*.list)
[[ ! -f $etc/sources.list ]] || lists+=("$etc/sources.list")
[[ ${#sources[@]} -eq 0 ]] || entries_deb822 "${sources[@]}" > "$state/etc/sources.list.d/own.sources"
[[ ${#lists[@]} -eq 0 ]] || entries_list "${lists[@]}" > "$state/etc/sources.list.d/own.list"
find "$state/etc/sources.list.d" -empty -type f -delete
compgen -G "$state/etc/sources.list.d/*" > /dev/null ||
	die "no entry for $VERSION_CODENAME in $etc/sources.list or $etc/sources.list.d"

cat > "$state/apt.conf" <<-EOF
	Dir::State::lists "$state/lists";
	Dir::Cache "$state/cache";
	Dir::Etc::sourcelist "$state/etc/none.list";
	Dir::Etc::sourceparts "$state/etc/sources.list.d";
	Dir::Etc::preferences "$state/etc/none";
	Dir::Etc::preferencesparts "$state/etc/preferences.d";
	APT::Sandbox::User "";
	APT::Update::Error-Mode "any";
	Acquire::Retries "3";
	Acquire::http::Timeout "30";
	Acquire::https::Timeout "30";
EOF

apt-get -c "$state/apt.conf" update > "$log" 2>&1 ||
	die "cannot read the package archive for $package (log: $log)"
mkdir -p "$CACHE/packages"
cd "$TMP" || exit	# apt does not name a file that is in its directory already
if [[ $what == list ]]; then
	mapfile -t names < <(apt-cache -c "$state/apt.conf" pkgnames 2>> "$log" | { grep -xE -e "$package" || true; })
	[[ ${#names[@]} -eq 0 ]] ||
		apt-cache -c "$state/apt.conf" madison "${names[@]}" 2>> "$log" | awk '$6 ~ /\/main$/ { print $1, $3 }'
	exit 0
fi
# apt checks what it downloads, and what is there already, against the
# signed lists.
if [[ $what == debs ]]; then
	# As on a machine that has no package yet; what is left from another time
	# is no part of it.
	: > "$state/status"
	rm -f "$state"/cache/archives/*.deb
	apt-get -c "$state/apt.conf" -o Dir::State::status="$state/status" install -y \
		--no-install-recommends --download-only "$package" >> "$log" 2>&1 ||
		die "cannot download $package and what it needs (log: $log)"
	printf '%s\n' "$state"/cache/archives/*.deb
	exit
elif [[ $what == deb ]]; then
	name=$(apt-cache -c "$state/apt.conf" pkgnames 2>> "$log" | { grep -xE -e "$package" || true; } |
		sort -V | tail -n 1)
	package=${name:-$package}${version:+=$version}
	uri=$(apt-get -c "$state/apt.conf" download --print-uris "$package" 2>> "$log") ||
		die "the archive has no package $package (log: $log)"
	read -r _ file _ <<< "$uri"
	cd "$CACHE/packages" || exit
	apt-get -c "$state/apt.conf" download "$package" >> "$log" 2>&1 ||
		die "cannot download $package (log: $log)"
else
	uri=$(apt-get -c "$state/apt.conf" source --print-uris --download-only "$package" 2>> "$log") ||
		die "the archive has no source package $package (log: $log)"
	file=$(awk '$2 ~ /\.dsc$/ { print $2; exit }' <<< "$uri")
	cd "$CACHE/packages" || exit
	apt-get -c "$state/apt.conf" source --download-only "$package" >> "$log" 2>&1 ||
		die "cannot download the source of $package (log: $log)"
fi
[[ -n $file && -s $file ]] || die "apt downloaded no $file (log: $log)"
echo "$CACHE/packages/$file"
