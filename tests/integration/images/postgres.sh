#!/bin/sh
# As the image postgres does: a cluster with the superuser's password at the first start, then PostgreSQL, not as root.
set -eu
if [ "$(id -u)" = 0 ]; then
    password=$(cat "${POSTGRES_PASSWORD_FILE:-/dev/null}")
    mkdir -p "$PGDATA" /tmp/socket
    chown -R postgres /var/lib/postgresql
    POSTGRES_PASSWORD=${POSTGRES_PASSWORD:-$password} exec setpriv --reuid=postgres --regid=postgres --clear-groups \
        --inh-caps=-all -- "$0" "$@"
fi
if [ ! -f "$PGDATA/PG_VERSION" ]; then
    file=$(mktemp)
    printf '%s\n' "$POSTGRES_PASSWORD" >"$file"
    # With a final rename: a first start that was killed begins anew.
    rm -rf "$PGDATA.new" && initdb --username="${POSTGRES_USER:-postgres}" --pwfile="$file" --auth=scram-sha-256 \
        --encoding=UTF8 --locale=C.UTF-8 -D "$PGDATA.new" >/dev/null
    rm -f "$file"
    echo "host all all all scram-sha-256" >>"$PGDATA.new/pg_hba.conf"
    rmdir "$PGDATA" && mv "$PGDATA.new" "$PGDATA"
fi
unset POSTGRES_PASSWORD
[ "$1" = postgres ] || exec "$@"
shift
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
