#!/bin/sh
# Migrates Temporal's two databases to the schema of this image's version. A second run changes nothing. Runs in temporalio/admin-tools.
# SQL_PLUGIN, SQL_HOST, SQL_PORT and SQL_USER come from the environment.
set -eu

SQL_PASSWORD=$(cat /run/secrets/temporal_database_password)
export SQL_PASSWORD

migrate() { # migrate DATABASE SCHEMA
    temporal-sql-tool --database "$1" setup-schema --version 0.0
    temporal-sql-tool --database "$1" update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/$2/versioned"
}

migrate temporal temporal
migrate temporal_visibility visibility
