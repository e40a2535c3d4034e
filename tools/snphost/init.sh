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
word='' interactive='' rows='' cols='' root='' cwd='' disks=''
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

# It is not that something went wrong, but that this kernel can't.
cannot() { say "cannot $*"; reboot -f; }

con=/dev/ttyS1
[ -c $con ] || cannot "has no second serial port"
[ "$disks" = 0 ] || [ -b /dev/vda ] || cannot "has no driver for the disk (VIRTIO_PCI, VIRTIO_BLK)"
eval "set -- $(cat $own/command)"
if [ "$root" ]; then
	new=$own/root
	mkdir $new
	mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=262144,cache=loose root $new ||
		cannot "can't mount the root file system (VIRTIO_PCI, NET_9P_VIRTIO, 9P_FS)"
	for dir in dev proc run sys tmp; do
		[ ! -d $new/$dir ] || mount -o rbind /$dir $new/$dir
	done
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	if [ "$cwd" != / ]; then
		# shellcheck disable=SC2016 # for that shell
		set -- /bin/sh -c 'cd "$0" && exec "$@"' "$cwd" "$@"
	fi
	set -- $bb chroot $new "$@"
fi
say up

if [ "$interactive" ]; then
	stty -F $con sane rows "$rows" cols "$cols"
	# shellcheck disable=SC2094 # a terminal
	setsid -c "$@" <$con >$con 2>&1
	status=$?
else
	# Raw: what the command writes goes out byte for byte.
	stty -F $con raw -echo
	[ -e $own/stdin ] || : >$own/stdin
	# shellcheck disable=SC2016 # for that shell
	sh -c '"$@"' sh "$@" <$own/stdin >$con 2>&1
	status=$?
fi

# Setting the line again waits until all of the output has left.
stty -F $con raw -echo
say "status $status"
reboot -f
