-- Where the role that migrates may put no triggers on Django's tables, writing is refused in words, but for what is ours.

DO $$
DECLARE
    made regprocedure;
    refusal CONSTANT text := 'PERFORM put_refused(''this OpenWISP is only read: the role that migrated may put no triggers on its tables'');';
BEGIN
    FOR made IN SELECT DISTINCT t.tgfoid FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
                WHERE c.relkind = 'v' AND c.relnamespace = current_schema()::regnamespace AND p.proname <> 'put_token'
    LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION %s RETURNS trigger LANGUAGE plpgsql AS %L', made, 'BEGIN ' || refusal || ' RETURN NULL; END');
    END LOOP;
    EXECUTE format('CREATE OR REPLACE FUNCTION put_lock(records text, which text) RETURNS void LANGUAGE plpgsql AS %L',
        'BEGIN IF records IN (''users'', ''organizations'', ''groups'', ''permissions'') THEN ' || refusal || ' END IF; END');
END $$;
