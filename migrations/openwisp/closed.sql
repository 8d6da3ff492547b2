-- Last, when all is in.
--
-- A function that has its owner's rights is nobody's but its owner's: whoever may look into this schema and make a temporary table could put
-- `put_user` on that as a trigger, and make superusers. A trigger needs no right on its function to fire. Those that a role calls which
-- serves are for whoever may write our tables; for a role that comes later, they are granted to it.
DO $$
DECLARE
    made   record;
    serves record;
BEGIN
    FOR made IN SELECT oid::regprocedure AS name, proname FROM pg_proc
                WHERE pronamespace = current_schema()::regnamespace AND (prosecdef OR proname = 'put_lock') AND pg_has_role(proowner, 'USAGE')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', made.name);
        IF made.proname IN ('put_uses', 'put_lock', 'index_tokens', 'trim_changes') THEN
            FOR serves IN SELECT DISTINCT grantee::regrole AS role
                          FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner)))
                          WHERE oid = 'sessions'::regclass AND privilege_type = 'INSERT' AND grantee <> 0
            LOOP
                EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', made.name, serves.role);
            END LOOP;
        END IF;
    END LOOP;
END $$;

-- Somebody who loads rows as a replica (`session_replication_role`) changes them too. Only a table's owner can say so.
DO $$
DECLARE
    put record;
BEGIN
    FOR put IN SELECT c.oid::regclass AS tbl, t.tgname AS name
               FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid
               WHERE p.pronamespace = current_schema()::regnamespace AND c.relnamespace <> p.pronamespace AND pg_has_role(c.relowner, 'USAGE')
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', put.tbl, put.name);
    END LOOP;
END $$;
