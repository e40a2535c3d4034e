#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A page that RMPUPDATE refuses is leaked, told and counted, in whatever way it
# leaves guest_memfd, and the host lives. Without the series it dies.
# inputs: tools patches arch include virt bases newer
# limit: 1800
. "$(dirname "$0")/lib.sh"

# leak NAME KERNEL PROGRAM: run it, with QEMU's monitor behind a serial port of the
# machine. QEMU is both ends of that line.
leak() {
	local args=(-chardev "socket,id=port,path=$TMP/$1,server=on,wait=off" -device "pci-serial,chardev=port"
		-chardev "socket,id=monitor,path=$TMP/$1" -mon "chardev=monitor,mode=control"
		-global "snp-rmp.exit-report=$LOGS/$1.rmp")
	rm -f "$LOGS/$1.rmp"
	"$TOP/tools/snphost/snphost" --kernel "$2" --smp 2 --file "$3" "${args[@]/#/--qemu-arg=}" \
		--timeout 400 --log "$LOGS/$1.dmesg" -- /leak /dev/ttyS2 > "$LOGS/$1.log" 2>&1 || true
}

make_qemu
for base in linux-6.12.y linux-7.3.y; do
	make_tests "$base" > /dev/null	# and with them, the kernel's headers
	base_load "$base"
	mkdir -p "$TMP/$base"
	gcc -Wall -Werror -O1 -static -isystem "$WORKTREE/obj-headers/usr/include" \
		-o "$TMP/$base/leak" "$TOP/tools/check/leak.c"
	without=$("$TOP/tools/snphost/debian-kernel.sh" "$base")
	with=$("$TOP/tools/build/exchange.sh" "$base" "$without")

	leak "leak-without-$base" "$without" "$TMP/$base/leak" &
	leak "leak-$base" "$with" "$TMP/$base/leak"
	wait

	log=$LOGS/leak-without-$base.log
	if ! grep -q 'RMPUPDATE failed' "${log%.log}.dmesg" || ! grep -q 'RMP violation' "${log%.log}.dmesg"; then
		fail "$base: the host doesn't die without the series (log: $log)"
	fi

	log=$LOGS/leak-$base.log
	grep -E '^(soft offline|not so|[a-z ]+: leaked )' "$log" | sed "s/^/$base: /"
	# Each refused RMPUPDATE is told along with the stack. There is nothing else to tell.
	if grep -vE '^#|RMPUPDATE|Call Trace' "$TOP/tools/snphost/splats" | grep -Eaf - "${log%.log}.dmesg"; then
		fail "$base: the kernel complains (log: $log)"
	fi
	grep -qx alive "$log" || fail "$base: it ends early (log: $log)"
	! grep '^not so' "$log" || fail "$base: not leaked as it should be (log: $log)"
	sed -nE 's/^[a-z ]+: leaked //p' "$log" | sort > "$TMP/leaked"
	sed -nE 's/^ +0x0*([0-9a-f]+)000-0x0*([0-9a-f]+)fff (reclaim|context|metadata|pre-guest|guest-).*/\1 \2/p' "${log%.log}.rmp" |
		awk '{ print $1; if ($1 != $2) print "to", $2 }' | sort > "$TMP/left"
	diff "$TMP/leaked" "$TMP/left" || fail "$base: leaked (<) is not what the RMP has (>)"
	[[ $(wc -l < "$TMP/leaked") -eq 3 ]] || fail "$base: not three pages"
done
