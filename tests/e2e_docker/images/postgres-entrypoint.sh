#!/bin/sh
# Makes the database in an empty data folder, then becomes the user postgres and the server.
# The variables are those of the official image: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, POSTGRES_HOST_AUTH_METHOD.
set -eu
as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups -- "$@"; }
umask 077
mkdir -p "$PGDATA"
chown -R postgres:postgres /var/lib/postgresql
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    file=/tmp/.password; printf '%s' "$POSTGRES_PASSWORD" >"$file"; chown postgres "$file"
    as_postgres initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile "$file" --auth-local trust --auth-host scram-sha-256 \
        --encoding UTF8 --locale-provider builtin --builtin-locale C.UTF-8 --locale C --no-instructions
    rm -f "$file"
    printf 'host all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
    as_postgres pg_ctl -D "$PGDATA" -w -o '-c listen_addresses= -c unix_socket_directories=/tmp' start
    [ "$POSTGRES_DB" = postgres ] || as_postgres psql -h /tmp -U "$POSTGRES_USER" -d postgres -v ON_ERROR_STOP=1 -v name="$POSTGRES_DB" \
        -f - <<'SQL'
CREATE DATABASE :"name";
SQL
    as_postgres pg_ctl -D "$PGDATA" -w -m fast stop
fi
exec setpriv --reuid postgres --regid postgres --clear-groups -- "$@" -c listen_addresses='*' -c unix_socket_directories=/tmp
