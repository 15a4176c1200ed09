#!/bin/sh
# MariaDB for a machine of 512 MB, on which it, nginx and Crumby are. As root:
#
#     sh tune_memory.sh
#
# It may be run again. To take it back, remove the file that it names, and start MariaDB again.
set -eu

say() { echo "tune_memory: $*"; }
fail() { say "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "run it as root, such as by sudo"
for folder in /etc/mysql/mariadb.conf.d /etc/my.cnf.d; do
    [ -d "$folder" ] && break
done
[ -d "$folder" ] || fail "MariaDB's folder for settings is neither of Debian's nor of Amazon's; is it installed?"
file=$folder/90-crumby.cnf

# What a commit is worth stays as it is: innodb_flush_log_at_trx_commit = 1.
wanted=$(mktemp)
trap 'rm -f "$wanted"' EXIT
cat >"$wanted" <<'END'
# Written by Crumby's tune_memory.sh.
[mysqld]
innodb_buffer_pool_size = 32M
innodb_log_buffer_size = 2M
key_buffer_size = 1M
aria_pagecache_buffer_size = 1M
query_cache_size = 0
query_cache_type = 0
max_connections = 60
thread_cache_size = 4
table_open_cache = 200
table_definition_cache = 200
tmp_table_size = 8M
max_heap_table_size = 8M
performance_schema = OFF
END

resident() { # of MariaDB, in MiB
    awk '/^VmRSS/ { print int($2 / 1024) " MiB" }' "/proc/$(pidof mariadbd | cut -d' ' -f1)/status" 2>/dev/null || echo "no memory"
}
answers() { mariadb --execute 'select 1' >/dev/null 2>&1; }

if cmp -s "$wanted" "$file"; then
    say "$file is there; MariaDB has $(resident)"
    exit 0
fi
before=$(resident)
cp "$wanted" "$file"
chmod 644 "$file"
if [ -d /run/systemd/system ]; then
    systemctl restart mariadb
else
    mariadb-admin shutdown
    mariadbd-safe --user=mysql >/dev/null 2>&1 &
fi
tries=60
until answers; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || fail "MariaDB does not come back; see its log, or remove $file"
    sleep 1
done
say "wrote $file; MariaDB had $before, and has $(resident)"
