#!/bin/sh
# Become a machine whose root is DEBIAN, a folder that stays as it is: `fresh-machine.sh DEBIAN FOLDER NAME=PATH...`,
# where no other lab is seen. FOLDER gets all that the machine writes, and tmp/ready once the machine is there. Each
# folder NAME of this machine is at PATH of the new one, and stays as it is, too.
set -eu
debian=$1 folder=$2
shift 2

# layers LOWER AT NAME: mount a folder with a writable layer above it.
layers() {
    mkdir -p "$folder/layers/$3/upper" "$folder/layers/$3/work" "$2"
    mount -t overlay overlay \
        -o "lowerdir=$1,upperdir=$folder/layers/$3/upper,workdir=$folder/layers/$3/work" "$2"
}

layers "$debian" "$folder/root" root
cd "$folder/root"
mkdir -p "$folder/tmp" var/lib/nodeprov-lab
for path in proc sys dev run var/lib/nodeprov-lab; do
    mount --rbind "/$path" "$path"
done
chmod 1777 "$folder/tmp"
mount --bind "$folder/tmp" tmp
number=0
for shared in "$@"; do
    number=$((number + 1))
    layers "${shared%%=*}" "$folder/root/${shared#*=}" "shared-$number"
done
# Not chroot: a process that is in one may not make user namespaces, which gVisor needs (user_namespaces(7)).
pivot_root . mnt
exec chroot . sh -c 'umount --lazy /mnt && touch /tmp/ready && exec sleep infinity'
