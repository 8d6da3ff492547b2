#!/bin/sh
# Run once by the image of PostgreSQL, when it makes the database: the role of the replicas, as docs/postgresql.md has it.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$DATABASE_PASSWORD" -U postern_owner -d postern <<'SQL'
CREATE ROLE postern LOGIN PASSWORD :'password' CONNECTION LIMIT 100;
GRANT USAGE ON SCHEMA public TO postern;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO postern;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO postern;
SQL
