#!/bin/sh
# Starts Temporal's server with its database's password from a file: the image itself reads it from the environment alone.
set -eu

POSTGRES_PWD=$(cat /run/secrets/temporal_database_password)
export POSTGRES_PWD

exec /etc/temporal/entrypoint.sh
