#!/bin/sh
# Turns the official image's RABBITMQ_DEFAULT_* variables into configuration and starts the node in the foreground.
set -eu
if [ "${1:-rabbitmq-server}" != rabbitmq-server ]; then
	exec "$@"
fi
mkdir -p /etc/rabbitmq/conf.d /var/log/rabbitmq
{
	echo 'loopback_users = none'
	echo "default_user = ${RABBITMQ_DEFAULT_USER:-guest}"
	echo "default_pass = ${RABBITMQ_DEFAULT_PASS:-guest}"
	echo "default_vhost = ${RABBITMQ_DEFAULT_VHOST:-/}"
	echo 'log.console = true'
	echo 'log.console.level = info'
	echo 'log.file = false'
	# A container on a nearly full disk or a small machine still has to take messages.
	echo 'disk_free_limit.absolute = 50MB'
} > /etc/rabbitmq/conf.d/10-entrypoint.conf
[ -e /etc/rabbitmq/rabbitmq.conf ] || : > /etc/rabbitmq/rabbitmq.conf
[ -e /etc/rabbitmq/enabled_plugins ] || echo '[rabbitmq_management].' > /etc/rabbitmq/enabled_plugins
cookie=/var/lib/rabbitmq/.erlang.cookie
if [ -n "${RABBITMQ_ERLANG_COOKIE:-}" ] || [ ! -s "$cookie" ]; then
	echo "${RABBITMQ_ERLANG_COOKIE:-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')}" > "$cookie"
fi
chmod 600 "$cookie"
chown -R rabbitmq:rabbitmq /etc/rabbitmq /var/lib/rabbitmq /var/log/rabbitmq
exec /usr/sbin/rabbitmq-server
