#!/bin/sh
# Creates a role and a database for the engine, and a role and two databases for Temporal. PostgreSQL's image runs this once, in an
# empty database cluster. Neither role may enter the databases of the other, and neither is a superuser.
set -eu

for secret in visit_database_password temporal_database_password; do
    test -s "/run/secrets/$secret"
done

# psql reads the passwords itself. In its arguments they would be visible in the list of processes.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set visit_password `cat /run/secrets/visit_database_password`
\set temporal_password `cat /run/secrets/temporal_database_password`

CREATE ROLE visit LOGIN PASSWORD :'visit_password';
CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';

CREATE DATABASE visits OWNER visit;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;

REVOKE CONNECT, TEMPORARY ON DATABASE visits, temporal, temporal_visibility FROM PUBLIC;
SQL
