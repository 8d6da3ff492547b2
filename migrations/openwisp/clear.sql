-- Drops all functions that are not of our tables, with the views that stand on them and the triggers that call them.

DO $$
DECLARE
    made regprocedure;
BEGIN
    FOR made IN SELECT oid FROM pg_proc
                WHERE pronamespace = current_schema()::regnamespace AND obj_description(oid, 'pg_proc') IS DISTINCT FROM 'of the tables'
    LOOP
        EXECUTE format('DROP FUNCTION IF EXISTS %s CASCADE', made);
    END LOOP;
END $$;
