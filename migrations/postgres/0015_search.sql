-- What lists are searched by, and filtered by of what users have besides, each with an index.
--
-- Words are found wherever they stand by pg_trgm, a module of PostgreSQL's own distribution. Where it is not installed, or whose schema
-- this is may not make it an extension of the database, a search reads all records. Once it can be made: SELECT index_search().

CREATE FUNCTION index_search() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    trigrams text;
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    SELECT format('%I.gin_trgm_ops', n.nspname) INTO trigrams
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm';
    -- What was added last is read whole by each search until it is sorted in: at most 256 kB.
    EXECUTE 'CREATE INDEX IF NOT EXISTS users_searched ON users USING gin ((
        lower(username) || '' '' || coalesce(lower(email), '''') || '' '' || coalesce(lower(phone_number), '''') || '' '' ||
        lower(first_name) || '' '' || lower(last_name) || '' '' || lower(company)) ' || trigrams || ') WITH (gin_pending_list_limit = 256)';
    EXECUTE 'CREATE INDEX IF NOT EXISTS organizations_searched ON organizations USING gin ((
        lower(name) || '' '' || lower(slug) || '' '' || lower(description) || '' '' || lower(email)) ' || trigrams || ') WITH (gin_pending_list_limit = 256)';
    -- How often each piece is there decides whether the index is the short way.
    ANALYZE users, organizations;
END $$;
REVOKE EXECUTE ON FUNCTION index_search() FROM PUBLIC;

DO $$
BEGIN
    PERFORM index_search();
EXCEPTION WHEN insufficient_privilege OR feature_not_supported OR undefined_file THEN
    RAISE NOTICE 'searches have no index: %', SQLERRM;
END $$;

CREATE INDEX users_fields ON users USING gin (CAST(fields AS jsonb) jsonb_path_ops) WITH (gin_pending_list_limit = 256);
