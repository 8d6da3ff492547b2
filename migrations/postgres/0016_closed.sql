-- A function that has its owner's rights is nobody's but its owner's: whoever may look into this schema and make a temporary table could put
-- `join_primary_organization` on that as a trigger, and join any organization. A trigger needs no right on its function to fire.

DO $$
DECLARE
    made regprocedure;
BEGIN
    FOR made IN SELECT oid FROM pg_proc
                WHERE pronamespace = current_schema()::regnamespace AND prosecdef AND prorettype = 'trigger'::regtype
                  AND proowner = (SELECT relowner FROM pg_class WHERE oid = 'users'::regclass)
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', made);
    END LOOP;
END $$;
