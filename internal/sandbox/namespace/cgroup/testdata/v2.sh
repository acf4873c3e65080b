#!/bin/sh
# Runs this package's tests, and its benchmark, on a machine that has cgroup
# version 2 alone: a virtual one, for whoever's own machine has version 1.
#
#   apt-get install qemu-system-x86 busybox-static cpio
#   apt-get download linux-image-6.1.0-XX-cloud-amd64   (what linux-image-cloud-amd64 depends on)
#   dpkg -x linux-image-*.deb /tmp/kernel
#   ./testdata/v2.sh /tmp/kernel/boot/vmlinuz-*         (in the package's folder)
#
# The test binary is the only program in there besides busybox. It emulates, which
# takes a minute or two; ACCEL="-accel kvm" is faster where it works. ARGS are the
# test's arguments.
set -eu
kernel=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/proc" "$work/sys" "$work/dev" "$work/tmp"
CGO_ENABLED=0 GOARCH=amd64 go test -c -o "$work/cgroup.test" .
cp "$(command -v busybox)" "$work/bin/busybox"
for tool in sh mount sleep poweroff mkdir chmod ls cat; do ln -s busybox "$work/bin/$tool"; done
cat >"$work/init" <<EOF
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
chmod 1777 /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cat /proc/version /sys/fs/cgroup/cgroup.controllers
/cgroup.test -test.v ${ARGS:-"-test.bench=."} && echo RESULT: passed || echo RESULT: failed
ls -d /sys/fs/cgroup/*/
poweroff -f
EOF
chmod +x "$work/init"
(cd "$work" && find . -mindepth 1 | cpio -o -H newc --quiet | gzip -1) >"$work.img"
trap 'rm -rf "$work" "$work.img"' EXIT
qemu-system-x86_64 ${ACCEL:--accel tcg,thread=multi -cpu max} -m 1024 -smp 2 -nographic -no-reboot -nic none \
	-kernel "$kernel" -initrd "$work.img" -append "console=ttyS0 quiet panic=-1" </dev/null | tee "$work/log"
grep -q "RESULT: passed" "$work/log"
