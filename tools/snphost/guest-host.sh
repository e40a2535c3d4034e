#!/.snphost/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the host that guest boots does: run QEMU with the arguments after the
# word that the guest's messages have, and exit with the status of the guest's
# command.  Not for use by itself.

word=$1
shift
mkfifo /tmp/port
truncate -s 64M /tmp/disk

# Each line of the guest's kernel, marked, and kept for the status.
while IFS= read -r line; do
	printf '\001%s\n' "$line"
	printf '%s\n' "$line" >>/tmp/console
done </tmp/port &
reader=$!

/guest/lib/ld-linux-x86-64.so.2 --library-path /guest/lib /guest/qemu "$@" \
	-chardev file,id=log,path=/tmp/port -serial chardev:log \
	-chardev stdio,id=con,signal=off -serial chardev:con \
	-monitor unix:/tmp/monitor,server,nowait </dev/null 2>/tmp/qemu &
qemu=$!
if [ -x /guest/beside ]; then
	/guest/beside $qemu 2>&1 | while IFS= read -r line; do printf '\001host: %s\n' "$line"; done &
	beside=$!
fi
wait $qemu
result=$?
# shellcheck disable=SC2086 # there may be none
wait $reader $beside
sed 's/^/'"$(printf '\001')"'qemu: /' /tmp/qemu

status=$(tr -d '\r' </tmp/console | sed -n "s/.*snphost $word status \([0-9]*\)$/\1/p" | tail -n 1)
[ "$status" ] || printf '\001qemu: exited with status %s\n' $result
exit "${status:-125}"
