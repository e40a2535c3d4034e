#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# snphost does what its options say, and its exit statuses are nobody else's.
# inputs: tools/snphost tools/series patches/qemu-$QEMU tools/build/qemu.sh bases
# limit: 1200
. "$(dirname "$0")/lib.sh"

SNPHOST_QEMU=$(make_qemu)
export SNPHOST_QEMU
snphost=$TOP/tools/snphost/snphost
kernel=$("$TOP/tools/snphost/debian-kernel.sh" linux-6.12.y)

# gives STATUS COMMAND...: its output is in $TMP/out and $TMP/err.
gives() {
	local want=$1 status=0
	shift
	"$@" > "$TMP/out" 2> "$TMP/err" || status=$?
	[[ $status -eq $want ]] || { tail -n 5 "$TMP/out" "$TMP/err"; fail "status $status, not $want: $*"; }
}
said() { grep -q -e "$1" "$TMP/err" || { tail -n 5 "$TMP/err"; fail "not said: $1"; }; }

echo "wrong usage"
mkdir "$TMP/empty"
for wrong in '--smp 0' '--mem 1T' '--kernel /nowhere' "--kernel $TMP/empty" '--root /nowhere' '--root / --file /bin/sh' \
	'--disk /nowhere' '--allow (' '--allow .*' '--no-snp --rmp-audit' '--nonsense' '--log'; do
	read -ra words <<< "$wrong"
	gives 126 "$snphost" "${words[@]}" -- true < /dev/null
	said 'try --help'
done

echo "--root, --disk, --verbose, a pipe, TMPDIR with a comma, a status of snphost's own"
tmp=$TMP/a,b disk=$TMP/disk,1
mkdir "$tmp"
truncate -s 1M "$disk"
printf before | dd of="$disk" conv=notrunc status=none
cd "$TOP/tools" || exit
# shellcheck disable=SC2016 # for the machine
printf 'a\0b\nc' | TMPDIR=$tmp gives 123 "$snphost" --root / --disk "$disk" --rmp-audit --verbose --log "$TMP/log" -- bash -c '
	pwd; touch here 2> /dev/null && echo written; echo mine > /tmp/t && cat /tmp/t
	head -c 6 /dev/vda; printf AFTER | dd of=/dev/vda conv=notrunc status=none; sync; cat; exit 125'
said 'exited with 125'
said 'Linux version'
printf '%s\nmine\nbeforea\0b\nc' "$PWD" | cmp - "$TMP/out" || fail "--root, --disk or the pipe"
[[ $(head -c 5 "$disk") == AFTER ]] || fail "the disk was not written to"
[[ ! $(ls -A "$tmp") ]] || fail "left behind: $(ls -A "$tmp")"
cd "$TOP" || exit

echo "the log as it comes, and kept on Ctrl-c"
rm "$TMP/log"
TMPDIR=$tmp setsid env --default-signal=INT "$snphost" --log "$TMP/log" -- sleep 1000 < /dev/null > "$TMP/out" 2>&1 &
pid=$!
for ((i = 0; i < 300; i++)); do
	! grep -qs ' up$' "$TMP/log" || break
	sleep 1
done
grep -q 'Linux version' "$TMP/log" || fail "the log does not come"
kill -INT -- "-$pid"
status=0
wait "$pid" || status=$?
[[ $status -eq 130 ]] || fail "Ctrl-c gives $status"
grep -q ' up$' "$TMP/log" || fail "the log is gone"
[[ ! $(ls -A "$tmp") ]] || fail "left behind: $(ls -A "$tmp")"

echo "a folder that a kernel was built in, and a warning that is allowed"
# As the kernel's makefiles leave it: names of modules in no order of loading.
tree=$TMP/linux
mkdir -p "$tree/arch/x86/boot" "$tree/arch/x86/kvm"
cp "$kernel/bzImage" "$tree/arch/x86/boot/"
while IFS= read -r module; do
	cp "$kernel/$module" "$tree/arch/x86/kvm/"
	echo "arch/x86/kvm/${module%.ko}.o"
done < "$kernel/modules.order" | tac > "$tree/modules.order"
warning='echo "WARNING: CPU: 0 PID: 1 at here" > /dev/kmsg; echo "Call Trace:" > /dev/kmsg'
gives 0 "$snphost" --kernel "$tree" --allow '^WARNING: .* at here$' -- sh -c "$warning; cat /sys/module/kvm_amd/parameters/sev_snp" < /dev/null
[[ $(< "$TMP/out") == Y ]] || fail "the modules of $tree are not there"

echo "another warning is not, --no-snp, --qemu-arg"
gives 125 "$snphost" --no-snp --allow '^WARNING: .* at there$' --qemu-arg=-smbios '--qemu-arg=type=1,product=as told' -- \
	sh -c "$warning; cat /sys/module/kvm_amd/parameters/sev_snp /sys/class/dmi/id/product_name" < /dev/null
said 'WARNING: CPU: 0 PID: 1 at here'
[[ $(paste -sd' ' "$TMP/out") == "N as told" ]] || fail "--no-snp or --qemu-arg: $(< "$TMP/out")"

echo "--gdb"
"$snphost" --gdb --log "$TMP/log" -- true < /dev/null > "$TMP/out" 2> "$TMP/err" &
pid=$!
for ((i = 0; i < 60; i++)); do
	socket=$(sed -n "s/.*target remote \(.*\)'$/\1/p" "$TMP/err")
	[[ ! -S $socket ]] || break
	sleep 1
done
# Why it stopped, in gdb's protocol.
answer=$(python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(30)
s.connect(sys.argv[1])
s.send(b"$?#3f")
a = b""
while b"#" not in a:
    a += s.recv(100)
print(a.decode())' "$socket")
kill "$pid"
wait "$pid" || :
[[ $answer == *T05* ]] || fail "--gdb: $answer"
[[ ! -s $TMP/log ]] || fail "--gdb: it has not waited"
