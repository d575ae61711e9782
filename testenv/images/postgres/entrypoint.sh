#!/bin/sh
# Makes the data folder and the database on the first start, from the official image's POSTGRES_* variables, runs the
# scripts of /docker-entrypoint-initdb.d, and starts the server in the foreground.
set -eu
if [ "${1:-postgres}" != postgres ]; then
	exec "$@"
fi
user=${POSTGRES_USER:-postgres}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
		echo 'Error: Database is uninitialized and superuser password is not specified.' >&2
		echo '       Set POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust.' >&2
		exit 1
	fi
	printf '%s\n' "${POSTGRES_PASSWORD:-}" > /tmp/password
	initdb -U "$user" --pwfile=/tmp/password -E UTF8 -N > /dev/null
	rm /tmp/password
	echo "host all all all ${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >> "$PGDATA/pg_hba.conf"
	pg_ctl -w -o "-c listen_addresses=''" start > /dev/null
	database=${POSTGRES_DB:-$user}
	[ "$database" = postgres ] || createdb -U "$user" "$database"
	for script in /docker-entrypoint-initdb.d/*; do
		case "$script" in
		*.sh) sh "$script" ;;
		*.sql) psql -v ON_ERROR_STOP=1 -U "$user" -d "$database" -f "$script" ;;
		esac
	done
	pg_ctl -w -m fast stop > /dev/null
fi
shift || :
exec postgres -c listen_addresses='*' "$@"
