#!/bin/sh
# The part of chroot.sh that is done inside of it, where all of the machine may be had and nothing of it stays.
set -eu
cd "$HOME"
agent='Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0'
say() { echo "chroot: $*"; }
fail() { say "$*"; exit 1; }
now() { date +%s.%N; }
since() { echo "$(now) $1" | awk '{ printf "%.1f s", $1 - $2 }'; }

until_it() { # WORDS…: until they succeed, for a minute
    tries=600
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "not within a minute: $*"
        sleep 0.1
    done
}

hit() { # URL NUMBER MORE…: the status
    url=$1
    id=$(printf %032x "$2")
    shift 2
    curl -s -o /dev/null -w '%{http_code}' -A "$agent" "$@" "$url/hit" \
        --data "{\"id\": \"$id\", \"t\": \"visit\", \"cid\": \"7\", \"dl\": \"https://bakery.example/\"}"
}
sees() { # URL VISITS MORE…: whether the report says as many
    url=$1
    wanted=$2
    shift 2
    curl -fs "$@" "$url/api/public/visits?period=today" | python3 -c '
import json, sys
answer = json.load(sys.stdin)
column = answer["columns"].index("views")
sys.exit(sum(row[column] for row in answer["data"]) != int(sys.argv[1]))' "$wanted"
}

five_minutes() {
    start=$(now)
    # The two commands.
    python3 -m venv crumby && crumby/bin/pip install -q --disable-pip-version-check crumby
    crumby/bin/crumby run >log 2>&1 &
    until_it curl -fs http://127.0.0.1:5000/healthz
    [ "$(hit http://127.0.0.1:5000 1)" = 204 ] || fail "the hit was not taken: $(cat log)"
    until_it sees http://127.0.0.1:5000 1
    curl -fs http://127.0.0.1:5000/ | grep -q '<title>' || fail "there is no page"
    took=$(since "$start")
    say "2 commands from a fresh Debian with Python to the first visit on the page: $took after the downloads"
    [ "$(echo "$took" | awk '{ print ($1 <= 60) }')" = 1 ] || fail "that is more than 60 s"
    crumby/bin/crumby geoip -h >/dev/null || fail "no command works"
}

state() { # all that the scripts make, but what a running server writes by itself
    find /etc /usr/local /opt/crumby /swapfile /var/lib/crumby/crumby.cfg /var/lib/crumby/MYSQL_PASS \
        ! -name '*.pyc' ! -path '/etc/mtab' -type f -exec sha256sum {} + | sort -k 2
    stat -c '%n %A %U %G' /var/lib/crumby /var/lib/crumby/MYSQL_PASS /var/lib/crumby/crumby.cfg /etc/ssl/crumby/*
    pgrep -f 'crumby run' # is not started anew
    pgrep -x -o nginx
    pgrep -x mariadbd
}

three_scripts() {
    cd /srv/crumby
    through="-k --resolve stats.example.com:443:127.0.0.1"
    url=https://stats.example.com
    start=$(now)
    sh create_swap.sh 64
    sh nginx_mysql.sh stats.example.com --from /srv/crumby/*.whl
    sh tune_memory.sh
    say "three scripts: $(since "$start")"
    # shellcheck disable=SC2086  # a list of words
    {
        [ "$(hit $url 1 $through)" = 204 ] || fail "the hit was not taken: $(tail /var/lib/crumby/crumby.log)"
        until_it sees $url 1 $through
    }
    [ "$(mariadb --batch --skip-column-names -e 'select count(*) from crumby.visits')" = 1 ] || fail "no row in MariaDB"
    [ "$(mariadb --batch --skip-column-names -e 'select ip from crumby.visits')" = 127.0.0.1 ] || fail "another address"
    say "a hit by nginx, uvicorn and MariaDB is in a report"

    state >/tmp/before
    start=$(now)
    sh create_swap.sh 64
    sh nginx_mysql.sh stats.example.com --from /srv/crumby/*.whl
    sh tune_memory.sh
    state >/tmp/after
    diff /tmp/before /tmp/after || fail "the second time changed something"
    # shellcheck disable=SC2086
    {
        [ "$(hit $url 2 $through)" = 204 ] || fail "no hit after the second time"
        until_it sees $url 2 $through
    }
    say "a second time: $(since "$start"), and nothing changed"
    crumby adduser ann </dev/null >/dev/null 2>&1 || echo 'a password of some length' | crumby adduser ann
    crumby users
    ps -e -o rss=,args= --sort=-rss | head -n 6 | cut -c 1-80
}

the_document() { # by a bash, as its reader has it
    cd /root
    cp /srv/crumby/crumby-backup.* .
    # shellcheck disable=SC2317  # the document calls it
    sudo() { "$@"; }
    # Without what asks the internet, and with the password that is asked for.
    grep -v -e certbot -e letsencrypt -e 'crumby geoip' -e 'crumby doctor' /srv/crumby/typed.sh |
        sed "s/^sudo crumby adduser ann/echo 'a password of some length' | sudo crumby adduser ann/" >typed.sh
    # shellcheck disable=SC1091  # it is made above
    . ./typed.sh
    through="-k --resolve stats.example.com:443:127.0.0.1"
    # shellcheck disable=SC2086  # a list of words
    {
        until_it curl -fs $through https://stats.example.com/readyz
        [ "$(hit https://stats.example.com 1 $through)" = 204 ] || fail "the hit was not taken"
        until_it sees https://stats.example.com 1 $through
    }
    systemctl start crumby-backup
    [ -s "/var/lib/crumby/backups/$(date +%u).db" ] || fail "there is no backup"
    kill -9 "$(systemctl show --property MainPID --value crumby)"
    until_it systemctl is-active crumby
    # shellcheck disable=SC2086
    until_it sees https://stats.example.com 1 $through
    grep -E 'CapEff|NoNewPrivs|Seccomp:' "/proc/$(systemctl show --property MainPID --value crumby)/status"
    systemd-analyze security crumby --no-pager | tail -n 1
    say "systemd, nginx and Crumby do as the document says"
}

"$1"
