#!/bin/sh
# Draws the secrets that docker-compose.yml hands out, into the folder `secrets`; one that is there already stays as it is.
#
# Only the folder's owner may enter it. The files in it are readable, since each is mounted into containers whose users differ.
set -eu

folder=${1:-secrets}

mkdir -p "$folder"
chmod 700 "$folder"
mkdir -p "$folder/tls"
for name in postgres_password temporal_database_password visit_database_password visit_jwt_secret; do
    if [ -e "$folder/$name" ]; then
        echo "$folder/$name: there already"
    else
        # Hexadecimal: safe in any address and any configuration.
        head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$folder/.$name"
        chmod 444 "$folder/.$name"
        mv "$folder/.$name" "$folder/$name"
        echo "$folder/$name: drawn"
    fi
done
