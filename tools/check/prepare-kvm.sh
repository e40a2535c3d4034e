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

# configured NAME: a directory to compile KVM in. NAME says how: m or y (module
# or built in), then sev or nosev. The least that KVM on x86 can be built with.
configured() {
	local obj=$WALK/obj-$1
	[[ -f $obj/.prepared ]] && return
	mkdir -p "$obj"
	{
		printf 'CONFIG_%s=y\n' 64BIT SMP PCI PCI_MSI ACPI EXPERT HIGH_RES_TIMERS MODULES \
			CPU_SUP_AMD EFI EFI_STUB DMADEVICES CRYPTO CRYPTO_HW CRYPTO_DEV_CCP \
			CRYPTO_DEV_CCP_DD CRYPTO_DEV_SP_PSP IOMMU_SUPPORT AMD_IOMMU VIRTUALIZATION KVM_SW_PROTECTED_VM \
			SHMEM EVENTFD TRANSPARENT_HUGEPAGE MULTIUSER
		case $1 in
		m-*) printf 'CONFIG_%s=m\n' KVM KVM_AMD ;;
		y-*) printf 'CONFIG_%s=y\n' KVM KVM_AMD ;;
		esac
		case $1 in
		*-sev) printf 'CONFIG_%s=y\n' KVM_AMD_SEV AMD_MEM_ENCRYPT ;;
		*-nosev) echo 'CONFIG_KVM_AMD_SEV=n' ;;
		esac
		# The other half of KVM on x86 shares the headers.
		case $1 in
		y-sev) printf 'CONFIG_%s=y\n' CPU_SUP_INTEL KVM_INTEL ;;
		esac
	} > "$obj/wanted"
	kbuild "$1" KCONFIG_ALLCONFIG="$obj/wanted" allnoconfig > "$LOGS/walk-$1.log" 2>&1 ||
		fail "cannot configure $1 (log: $LOGS/walk-$1.log)"
	local missing
	missing=$(grep '=[ym]$' "$obj/wanted" | grep -vxF -f "$obj/.config" || true)
	[[ -z $missing ]] || fail "$1: the kernel does not take over: $missing"
	! grep -q 'nosev' <<< "$1" || ! grep -q '^CONFIG_KVM_AMD_SEV=y' "$obj/.config" ||
		fail "$1: SEV is on"
	kbuild "$1" prepare modules_prepare >> "$LOGS/walk-$1.log" 2>&1 ||
		fail "cannot prepare $1 (log: $LOGS/walk-$1.log)"
	: > "$obj/.prepared"
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
