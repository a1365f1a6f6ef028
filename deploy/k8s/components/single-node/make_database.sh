# Make the database of $SERVICE with the role that owns it and the one that works in it, as far as they are missing.
set -eu
package=$(printf %s "$SERVICE" | tr - _)
folder=/run/secrets/anliegen
until pg_isready -q; do sleep 1; done
psql -v ON_ERROR_STOP=1 -q -v package="$package" -v owner="${package}_owner" \
    -v password="$(cat $folder/password)" -v owner_password="$(cat $folder/owner_password)" <<'SQL'
SELECT format('CREATE ROLE %I', name) FROM unnest(ARRAY[:'package', :'owner']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
SELECT format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD %L', :'package', :'password') \gexec
SELECT format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD %L', :'owner', :'owner_password') \gexec
SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0', :'package', :'owner')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'package') \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'package') \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', :'package', :'package') \gexec
SQL
