#!/bin/sh
# What docs/deploy.md promises, done on a fresh Debian, in a chroot: as root, with debootstrap.
#
#     tests/deployment/chroot.sh WHEEL FOLDER
#
# Where systemd-nspawn is installed (apt-get install systemd-container), what docs/deploy.md says under "Five minutes",
# "Upgrade" and "Backups" is typed as well, on a third machine with systemd, but for what asks the internet.
#
# FOLDER takes the fresh Debian, the packages and the wheels, and is used again the next time; what is installed goes into
# a layer above it, in memory, and is gone at the end. It has a network of its own, with nothing but itself in it.
# Mirrors and indexes are those that this machine's apt and pip are configured with.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
wheel=${1:?a wheel}
folder=${2:?a folder}
python=${PYTHON:-python3}
base=$folder/debian
PATH=$PATH:/usr/sbin:/sbin
say() { echo "chroot: $*"; }

[ "$(id -u)" = 0 ] || { say "it takes root"; exit 1; }
for program in debootstrap unshare setpriv; do
    command -v $program >/dev/null || { say "$program is not installed"; exit 1; }
done

# A fresh Debian, and what is downloaded

if [ ! -e "$base/fresh" ]; then
    rm -rf "$base"
    mkdir -p "$base"
    # shellcheck disable=SC2016  # apt's own variables
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
    suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    say "debootstrap $suite"
    debootstrap --variant=minbase --include=ca-certificates,curl,python3,python3-venv "$suite" "$base" "$mirror" \
        >"$folder/debootstrap.log" 2>&1 || { tail "$folder/debootstrap.log"; exit 1; }
    cp /etc/resolv.conf "$base/etc/resolv.conf"
    chroot "$base" apt-get -qq update
    chroot "$base" apt-get -qq install -y --download-only nginx mariadb-server openssl systemd systemd-sysv >/dev/null
    touch "$base/fresh"
fi
rm -rf "$base/srv/crumby"
mkdir -p "$base/srv/crumby/wheels"
version=$(chroot "$base" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
say "downloading what Crumby is made of, for Python $version"
mkdir -p "$folder/wheels"
"$python" -m pip download -q --disable-pip-version-check --only-binary=:all: --python-version "$version" \
    --find-links "$folder/wheels" --dest "$folder/wheels" "$wheel"
rm -f "$folder"/wheels/crumby-*.whl
cp "$folder"/wheels/*.whl "$wheel" "$base/srv/crumby/wheels/"
cp "$wheel" "$here"/deployment/linux/*.sh "$here/tests/deployment/inside.sh" "$base/srv/crumby/"

# Three fresh machines, one after the other. /proc is read-only, for its /proc/sys is that of the machine around it, and
# nobody in there may swap.
cat >"$folder/enter.sh" <<'END'
set -eu
base=$1
top=$2
part=$3
mount -t tmpfs tmpfs "$top"
mkdir "$top/upper" "$top/work" "$top/root"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$top/upper,workdir=$top/work" "$top/root"
if [ "$part" = the_document ]; then
    DEBIAN_FRONTEND=noninteractive chroot "$top/root" apt-get -qq install -y systemd systemd-sysv nginx openssl >/dev/null 2>&1
    cp "$top/root/srv/crumby/typed.service" "$top/root/etc/systemd/system/"
    ln -s ../typed.service "$top/root/etc/systemd/system/multi-user.target.wants/"
    timeout 600 systemd-nspawn --quiet --register=no --keep-unit --private-network --directory "$top/root" --boot \
        </dev/null >"$top/console" 2>&1 || true
    cat "$top/root/srv/crumby/typed.log" || tail -n 20 "$top/console"
    tail -n 1 "$top/root/srv/crumby/typed.log" | grep -q "as the document says"
    exit
fi
mount -t proc -o ro proc "$top/root/proc"
mount -t tmpfs tmpfs "$top/root/run"
mount -t devpts devpts "$top/root/dev/pts"
ip link set lo up
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root \
    PIP_NO_INDEX=1 PIP_FIND_LINKS=/srv/crumby/wheels \
    chroot "$top/root" setpriv --bounding-set -sys_admin,-sys_resource sh /srv/crumby/inside.sh "$part"
END
cat >"$base/srv/crumby/typed.service" <<'END'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
Environment=HOME=/root LANG=C.UTF-8 PIP_NO_INDEX=1 PIP_FIND_LINKS=/srv/crumby/wheels PIP_QUIET=1
ExecStart=/bin/sh -c 'bash /srv/crumby/inside.sh the_document >/srv/crumby/typed.log 2>&1; systemctl poweroff'
END
(cd "$here" && "$python" -c '
from tests.docs.pages import blocks
headings = {"Five minutes", "Upgrade", "Backups"}
print("\n".join(block.text for block in blocks("docs/deploy.md") if block.language == "sh" and block.heading in headings))
') >"$base/srv/crumby/typed.sh"
cp "$here"/deployment/systemd/crumby-backup.* "$base/srv/crumby/"
mkdir -p "$folder/top"
for part in five_minutes three_scripts the_document; do
    if [ $part = the_document ] && ! command -v systemd-nspawn >/dev/null; then
        say "systemd-nspawn is not installed: what the document says is not typed"
        continue
    fi
    unshare --mount-proc --net --pid --fork --kill-child sh "$folder/enter.sh" "$base" "$folder/top" $part
done
say "all of it came true"
