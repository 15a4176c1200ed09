#!/bin/sh
# A swap file, which a machine of 512 MB needs while packages are installed. As root:
#
#     sh create_swap.sh [MEGABYTES]      1024, if you do not say
#
# It may be run again: what is there already stays.
set -eu

megabytes=${1:-1024}
file=${SWAPFILE:-/swapfile}
sysctl=/etc/sysctl.d/90-crumby-swap.conf

say() { echo "create_swap: $*"; }
fail() { say "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "run it as root, such as by sudo"
case $megabytes in '' | *[!0-9]*) fail "how many megabytes? $megabytes is no number" ;; esac

is_swap() { [ "$(dd if="$file" bs=1 skip=4086 count=10 2>/dev/null)" = SWAPSPACE2 ]; }
is_on() { grep -q "^$file " /proc/swaps 2>/dev/null; }

if [ ! -e "$file" ]; then
    say "making $file of $megabytes MB"
    (umask 077 && { fallocate -l "${megabytes}M" "$file" 2>/dev/null ||
        dd if=/dev/zero of="$file" bs=1M count="$megabytes" status=none; })
    mkswap "$file" >/dev/null
elif is_swap; then
    say "$file is there"
else
    fail "$file is there and is no swap file; name another one: SWAPFILE=/swap2 sh create_swap.sh"
fi
chmod 600 "$file"

if is_on; then
    say "it is in use"
elif swapon "$file" 2>/dev/null; then
    say "it is in use now"
else
    say "this machine does not let it be used (in a container nobody may); going on without"
fi

if grep -q "^${file}[[:space:]]" /etc/fstab 2>/dev/null; then
    say "/etc/fstab has it"
else
    echo "$file none swap sw 0 0" >>/etc/fstab
    say "added to /etc/fstab, for the next start"
fi

# Programs stay in memory for as long as they can.
if [ ! -e "$sysctl" ]; then
    mkdir -p "${sysctl%/*}"
    printf '%s\n' 'vm.swappiness = 10' 'vm.vfs_cache_pressure = 50' >"$sysctl"
    for line in vm.swappiness=10 vm.vfs_cache_pressure=50; do
        sysctl -q -w "$line" 2>/dev/null || say "$line takes effect at the next start, if this machine allows it"
    done
fi
