# SPDX-License-Identifier: GPL-2.0-only
# For the checks that compile KVM; sourced, not run.
# shellcheck shell=bash disable=SC2034

# A work tree of its own, moved from commit to commit: build/WALK.
WALK=$BUILD/walk-$BASENAME
"$TOP/tools/series/compose.sh" "$BASENAME"
BASE_COMMIT=$(git -C "$BUILD/$BASENAME" rev-parse refs/series/base)
mapfile -t COMMITS < <(git -C "$BUILD/$BASENAME" rev-list --reverse "$BASE_COMMIT..refs/series/composed")
CC=gcc
if command -v ccache > /dev/null; then
	CC="ccache gcc"
	export CCACHE_NOHASHDIR=1
fi

one_at_a_time "$BUILD/walk-linux"
if [[ ! -d $WALK/.git ]]; then
	# No driver is compiled, but kconfig reads all there is to configure.
	new_tree "$BUILD/$BASENAME/.git" "$TMP/walk" '/*' '!/*/' /arch/ '!/arch/*/' /arch/x86/ \
		/certs/ /include/ /init/ /kernel/ /lib/ /mm/ /scripts/ /tools/ '!/tools/perf/' /usr/ /virt/ 'Kconfig*'
	echo '/obj-*/' >> "$TMP/walk/.git/info/exclude"
	sgit -C "$TMP/walk" checkout -q --detach "$BASE_COMMIT"
	mv "$TMP/walk" "$WALK"
fi
walk_to() {
	see_objects "$BUILD/$BASENAME/.git" "$WALK/.git"
	sgit -C "$WALK" checkout -q --detach --force "$1"
}

# configured NAME: a directory to compile KVM in, with that configuration
# (tools/build/kernel.sh).
configured() {
	local obj=$WALK/obj-$1
	"$TOP/tools/build/kernel.sh" "${WALK##*/}" "$1" --config > /dev/null || return
	cmp -s "$obj/.fragment" "$obj/.prepared" && return
	kbuild "$1" prepare modules_prepare > "$LOGS/walk-$1.log" 2>&1 ||
		{ echo "error: cannot prepare $1 (log: $LOGS/walk-$1.log)"; return 1; }
	cp "$obj/.fragment" "$obj/.prepared"
}
kbuild() {
	local name=$1
	shift
	make -C "$WALK" O="$WALK/obj-$name" CC="$CC" -j"$(nproc)" "$@"
}

# The C files and headers that the series touches.
touched() {
	git -C "$BUILD/$BASENAME" diff --name-only --diff-filter=d "$BASE_COMMIT" "${COMMITS[-1]}" -- arch virt include
}
