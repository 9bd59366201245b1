#!/bin/sh
# Starts Temporal's server with the database password from a file, because the image itself reads it only from the environment.
set -eu

POSTGRES_PWD=$(cat /run/secrets/temporal_database_password)
export POSTGRES_PWD

exec /etc/temporal/entrypoint.sh
