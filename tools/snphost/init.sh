#!/.snphost/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The first process of the machine that snphost boots: prepare the root file
# system, run the command, report its status in the kernel's log, switch off.
# Not for use by itself.

own=/.snphost
bb=$own/busybox
$bb --install -s /bin
export PATH=/:/bin:/usr/local/bin HOME=/root
word='' interactive='' rows='' cols=''
# shellcheck source=/dev/null # made by snphost
. $own/config

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /dev/shm
# Not every kernel has these.
mount -t devpts devpts /dev/pts 2>/dev/null
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
ip link set lo up 2>/dev/null

say() { echo "<1>snphost $word $*" >/dev/kmsg; }

for m in "$own"/*.ko; do
	[ ! -e "$m" ] || insmod "$m"
done

con=/dev/ttyS1
if ! [ -c $con ]; then
	echo "<1>snphost: this kernel has no second serial port" >/dev/kmsg
	reboot -f
fi
say up

if [ "$interactive" ]; then
	stty -F $con sane rows "$rows" cols "$cols"
	# shellcheck disable=SC2094 # a terminal
	setsid -c sh -c ". $own/command" <$con >$con 2>&1
	status=$?
else
	# Raw: what the command writes goes out byte for byte.
	stty -F $con raw -echo
	sh -c ". $own/command" </dev/null >$con 2>&1
	status=$?
fi

# Setting the line again waits until all of the output has left.
stty -F $con raw -echo
say "status $status"
reboot -f
