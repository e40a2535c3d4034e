#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# vm.sh BZIMAGE LIST TESTDIR LOG [TIMEOUT]
#
# Boot BZIMAGE under $VM_QEMU (TCG, AMD with SVM; without it, the distribution's)
# and run the tests of LIST, which are in TESTDIR, one after the other. Kernel log and
# results go to LOG, and to LOG.console while they come. Fails with one line if the kernel does not boot, or not
# everything is done, within TIMEOUT seconds.
. "$(dirname "$0")/../series/lib.sh"

[[ $# -ge 4 ]] || die "usage: vm.sh BZIMAGE LIST TESTDIR LOG [TIMEOUT]"
bzimage=$1 list=$2 tests=$3 log=$4 limit=${5:-2400}
qemu=${VM_QEMU:-qemu-system-x86_64}
[[ -f $bzimage ]] || die "no kernel $bzimage"
command -v "$qemu" > /dev/null || die "no $qemu (package qemu-system-x86)"

root=$TMP/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp,tests}
cp -L "$(command -v busybox)" "$root/bin/busybox"
sed 's/#.*//; s/[ \t]*$//; /^$/d' "$list" > "$root/tests/list"
while read -r name _; do
	mkdir -p "$root/tests/$(dirname "$name")"
	cp "$tests/$name" "$root/tests/$name"
	strip "$root/tests/$name"
done < "$root/tests/list"
cat > "$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mkdir -p /dev/shm && mount -t tmpfs tmpfs /dev/shm
mount -t debugfs debugfs /sys/kernel/debug
say() { echo "<1>vm: $*" > /dev/kmsg; }
say up
cd /tests
while read -r name args; do
	say "start $name"
	timeout -s KILL 600 ./$name $args > /tmp/out 2>&1 < /dev/null
	status=$?
	while read -r line; do
		echo "<6>vm: | $line" > /dev/kmsg
	done < /tmp/out
	say "end $name $status"
done < list
say done
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . -print0 | cpio --null --quiet -R 0:0 -H newc -o) | gzip -1 > "$TMP/initrd"

# no_timer_check: on a busy machine the ten ticks that the kernel waits for may
# not come in time, and it would give up.
status=0
timeout --foreground -k 5 "$limit" "$qemu" -no-user-config -nodefaults -display none -no-reboot \
	-L /usr/share/seabios -L /usr/share/qemu -machine q35 -accel tcg,thread=multi -cpu EPYC-Milan,+svm,+npt -smp "$(nproc)" -m 2G \
	-kernel "$bzimage" -initrd "$TMP/initrd" -serial "file:$log.console" -monitor none \
	-append "console=ttyS0 ignore_loglevel no_timer_check printk.devkmsg=on oops=panic panic=-1 rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60" \
	> "$TMP/qemu" 2>&1 < /dev/null || status=$?
touch "$log.console"
tr -d '\r' < "$log.console" > "$log"
rm "$log.console"
if ! grep -q 'vm: up' "$log"; then
	[[ $status -ne 124 ]] || die "the kernel did not boot within $limit seconds (log: $log)"
	die "the kernel did not boot (QEMU ended with $status, log: $log)"
fi
if ! grep -q 'vm: done' "$log"; then
	[[ $status -ne 124 ]] || die "the tests were not done within $limit seconds (log: $log)"
	die "the kernel went down in $(sed -n 's/.*vm: start //p' "$log" | tail -1) (log: $log)"
fi
