#!/bin/sh
# Crumby behind nginx, with MariaDB, on Amazon Linux 2023, Debian 12 and newer, or Ubuntu 24.04 and newer. As root:
#
#     sh nginx_mysql.sh DOMAIN [--from WHEEL]
#
# DOMAIN is the name that browsers reach this machine by, such as stats.example.com. WHEEL is a file of Crumby's, in
# place of the one that pip gets. Both can be said as variables: `domain` and `CRUMBY_WHEEL`.
#
# It may be run again: it mends what is missing, and writes over nothing.
set -eu

domain=${domain:-}
from=${CRUMBY_WHEEL:-crumby}
while [ $# -gt 0 ]; do
    case $1 in
        --from) from=${2:?--from names a file}; shift ;;
        -*) echo "nginx_mysql: there is no $1" >&2; exit 2 ;;
        *) domain=$1 ;;
    esac
    shift
done

app=/opt/crumby
home=/var/lib/crumby
run=/run/crumby
tls=/etc/ssl/crumby

say() { echo "nginx_mysql: $*"; }
fail() { say "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "run it as root, such as by sudo"
printf %s "$domain" | grep -Eq '^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$' ||
    fail "by which name do browsers reach this machine? sh nginx_mysql.sh stats.example.com"

booted() { [ -d /run/systemd/system ]; }

# Packages

if command -v apt-get >/dev/null; then
    nginx_user=www-data
    database=mariadb
    packages="nginx mariadb-server python3 python3-venv openssl curl"
    get() { apt-get -qq update || true; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y "$@" >/dev/null; }
    there() { dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; }
elif command -v dnf >/dev/null; then
    nginx_user=nginx
    database=mariadb
    packages="nginx mariadb105-server python3.11 python3.11-pip openssl"
    get() { dnf install -q -y "$@"; }
    there() { rpm -q "$1" >/dev/null; }
else
    fail "neither apt-get nor dnf is here; docs/deploy.md has the steps by hand"
fi

missing=
for package in $packages; do there "$package" || missing="$missing $package"; done
if [ -n "$missing" ]; then
    say "installing$missing"
    # shellcheck disable=SC2086  # a list of words
    get $missing
fi

python=
for version in 3.14 3.13 3.12 3.11; do
    if command -v "python$version" >/dev/null; then python=python$version; break; fi
done
[ -n "$python" ] || fail "Crumby needs Python 3.11 or newer, and this system's $(python3 --version) is older"

# Crumby, as a user of its own, whose socket nginx alone reaches

id crumby >/dev/null 2>&1 || useradd --system --user-group --home-dir $home --shell /usr/sbin/nologin crumby
id -nG $nginx_user | grep -qw crumby || { usermod --append --groups crumby $nginx_user; nginx_is_new=1; }
install -d -m 700 -o crumby -g crumby $home
[ -x $app/bin/python ] || "$python" -m venv $app
if [ ! -x $app/bin/crumby ]; then
    say "installing Crumby"
    $app/bin/pip install -q --disable-pip-version-check "$from"
fi

as_crumby() { (cd $home && runuser -u crumby -- env HOME=$home CRUMBY_SETTINGS=$home/crumby.cfg "$@"); }

# `sudo crumby adduser ann`, from anywhere
if [ ! -e /usr/local/bin/crumby ]; then
    mkdir -p /usr/local/bin
    cat >/usr/local/bin/crumby <<END
#!/bin/sh
# Crumby's commands, as its user and with its settings.
cd $home && exec runuser -u crumby -- env HOME=$home CRUMBY_SETTINGS=$home/crumby.cfg $app/bin/crumby "\$@"
END
    chmod 755 /usr/local/bin/crumby
fi

# MariaDB: a database, and a user with a password that nobody has to know

wait_for() { # SECONDS WORDS…: until they succeed
    tries=$1
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 1
    done
}

answers() { mariadb --execute 'select 1'; }
if booted; then
    systemctl enable -q --now $database
elif ! answers >/dev/null 2>&1; then
    mkdir -p /run/mysqld
    chown mysql /run/mysqld
    mariadbd-safe --user=mysql >/dev/null 2>&1 &
fi
wait_for 60 answers || fail "MariaDB does not answer root; see its log"

if [ ! -s $home/MYSQL_PASS ]; then
    (umask 077 && openssl rand -hex 24 >$home/MYSQL_PASS)
    chown crumby:crumby $home/MYSQL_PASS
fi
mariadb <<END
create database if not exists crumby character set utf8mb4;
create user if not exists crumby@localhost;
alter user crumby@localhost identified by '$(cat $home/MYSQL_PASS)';
grant all privileges on crumby.* to crumby@localhost;
END
socket=$(mariadb --batch --skip-column-names --execute 'select @@socket')

# The configuration, nginx's site and the unit, by `crumby init`

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
(cd "$made" && CRUMBY_SQLALCHEMY_DATABASE_URI="mysql://crumby:$(cat $home/MYSQL_PASS)@localhost/crumby?unix_socket=$socket" \
    $app/bin/crumby init --yes --domain "$domain" --write nginx,systemd >/dev/null)

keep() { # NAME MODE OWNER PLACE: unless there is one already
    [ ! -e "$4" ] || return 0
    say "writing $4"
    mkdir -p "${4%/*}"
    cp "$made/$1" "$4"
    chown "$3" "$4"
    chmod "$2" "$4"
}

[ -d /proc/sys/net/ipv6 ] || sed -i '/listen \[::\]/d' "$made/crumby.conf"
if [ -e "/etc/letsencrypt/live/$domain/fullchain.pem" ]; then
    sed -i "s,$tls/,/etc/letsencrypt/live/$domain/," "$made/crumby.conf"
elif [ ! -e $tls/fullchain.pem ]; then
    mkdir -p $tls
    (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 \
        -subj "/CN=crumby" -addext "subjectAltName=DNS:$domain" -keyout $tls/privkey.pem -out $tls/fullchain.pem) 2>/dev/null
    self_signed=1
fi
keep crumby.cfg 600 crumby:crumby $home/crumby.cfg
keep crumby-upstream.conf 644 root:root /etc/nginx/conf.d/crumby-upstream.conf
keep crumby.conf 644 root:root /etc/nginx/conf.d/crumby.conf
keep crumby.service 644 root:root /etc/systemd/system/crumby.service
mkdir -p /var/www/crumby

# Room for slow clients, in nginx's own file
if ! grep -q worker_rlimit_nofile /etc/nginx/nginx.conf; then
    cp /etc/nginx/nginx.conf /etc/nginx/nginx.conf.before-crumby
    sed -i -E -e 's/^([[:space:]]*)worker_connections[[:space:]].*/\1worker_connections 4096;/' \
        -e '0,/^worker_processes.*/s//&\nworker_rlimit_nofile 16384;/' /etc/nginx/nginx.conf
    nginx_is_new=1
fi
nginx -q -t

# Start

nginx_runs() { [ -s /run/nginx.pid ] && kill -0 "$(cat /run/nginx.pid)" 2>/dev/null; }
nginx_is_away() { ! nginx_runs; }
if booted; then
    systemctl daemon-reload
    systemctl enable -q --now crumby nginx
    [ -z "${nginx_is_new:-}" ] || systemctl restart nginx
    systemctl reload nginx
else
    say "there is no systemd here: starting what is needed, until this machine stops"
    install -d -m 750 -o crumby -g crumby $run
    if ! curl -fs --unix-socket $run/crumby.sock http://localhost/healthz >/dev/null; then
        as_crumby sh -c "exec $app/bin/crumby run --uds $run/crumby.sock >>crumby.log 2>&1" &
    fi
    if nginx_runs && [ -n "${nginx_is_new:-}" ]; then
        nginx -s stop
        wait_for 10 nginx_is_away
    fi
    if nginx_runs; then nginx -s reload; else nginx; fi
fi
wait_for 60 curl -fsk --resolve "$domain:443:127.0.0.1" "https://$domain/readyz" ||
    fail "https://$domain does not answer; try: journalctl -u crumby -u nginx"

say "Crumby is at https://$domain"
if [ -n "${self_signed:-}" ]; then
    say "its certificate is its own, which no browser takes. A real one: install certbot, let it ask for $domain as"
    say "/etc/nginx/conf.d/crumby.conf says, and put its paths there"
fi
say "the first user:  sudo /usr/local/bin/crumby adduser NAME"
say "the City database:  sudo /usr/local/bin/crumby geoip"
say "each page:  <script defer src=\"https://$domain/cmb.js?engagement\" data-engagement></script>"
