#!/bin/sh
# Creates the secrets for docker-compose.yml in the folder `secrets`. An existing secret is kept.
#
# Only the owner may enter the folder. The files in it are readable, because Compose mounts them into containers with different users.
set -eu

folder=${1:-secrets}

mkdir -p "$folder"
chmod 700 "$folder"
mkdir -p "$folder/tls"
for name in postgres_password temporal_database_password visit_database_password visit_jwt_secret; do
    if [ -e "$folder/$name" ]; then
        echo "$folder/$name: exists already"
    else
        # Hexadecimal: safe in any address and any configuration.
        head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$folder/.$name"
        chmod 444 "$folder/.$name"
        mv "$folder/.$name" "$folder/$name"
        echo "$folder/$name: created"
    fi
done
