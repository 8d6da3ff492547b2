-- How many users and organizations there are, without counting them.
--
-- A total is the sum of its rows. Each server process adds in a row of its own, so that nobody waits for anybody's transaction, and
-- whoever asks sees what those have added that have committed: the number of records in the same snapshot.

CREATE TABLE totals (
    name   text NOT NULL,
    slot   integer NOT NULL, -- the process; 0: what those have left that ended
    number bigint NOT NULL,
    PRIMARY KEY (name, slot)
) WITH (fillfactor = 50);

CREATE FUNCTION count_rows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    more bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT count(*) INTO more FROM rows_new;
    ELSE
        SELECT -count(*) INTO more FROM rows_gone;
    END IF;
    IF more <> 0 THEN
        INSERT INTO totals AS t (name, slot, number) VALUES (TG_TABLE_NAME, pg_backend_pid(), more)
        ON CONFLICT (name, slot) DO UPDATE SET number = t.number + EXCLUDED.number;
    END IF;
    RETURN NULL;
END $$;

-- After TRUNCATE; and by hand, where records were loaded without triggers.
CREATE FUNCTION recount() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    LOCK TABLE users, organizations IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM totals;
    INSERT INTO totals (name, slot, number)
    SELECT 'users', 0, count(*) FROM users UNION ALL SELECT 'organizations', 0, count(*) FROM organizations;
END $$;
REVOKE EXECUTE ON FUNCTION recount() FROM PUBLIC;
SELECT recount();

CREATE FUNCTION recount_emptied() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM recount();
    RETURN NULL;
END $$;

CREATE TRIGGER users_counted AFTER INSERT ON users REFERENCING NEW TABLE AS rows_new
FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
CREATE TRIGGER users_counted_gone AFTER DELETE ON users REFERENCING OLD TABLE AS rows_gone
FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
CREATE TRIGGER users_counted_anew AFTER TRUNCATE ON users FOR EACH STATEMENT EXECUTE FUNCTION recount_emptied();
CREATE TRIGGER organizations_counted AFTER INSERT ON organizations REFERENCING NEW TABLE AS rows_new
FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
CREATE TRIGGER organizations_counted_gone AFTER DELETE ON organizations REFERENCING OLD TABLE AS rows_gone
FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
CREATE TRIGGER organizations_counted_anew AFTER TRUNCATE ON organizations FOR EACH STATEMENT EXECUTE FUNCTION recount_emptied();

-- Once in ten minutes, what processes have added is put together; rows that somebody adds to just now stay.
CREATE OR REPLACE FUNCTION trim_changes() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    upto xid8;
BEGIN
    SELECT next INTO upto FROM changes_kept
    WHERE marked < clock_timestamp() - interval '10 minutes' FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        DELETE FROM changes WHERE xid < upto;
        UPDATE changes_kept SET next = pg_snapshot_xmin(pg_current_snapshot()), marked = clock_timestamp();
        WITH idle AS (SELECT name, slot FROM totals WHERE slot <> 0 FOR UPDATE SKIP LOCKED),
             gone AS (DELETE FROM totals t USING idle i WHERE t.name = i.name AND t.slot = i.slot RETURNING t.name, t.number)
        INSERT INTO totals AS t (name, slot, number) SELECT name, 0, sum(number) FROM gone GROUP BY name
        ON CONFLICT (name, slot) DO UPDATE SET number = t.number + EXCLUDED.number;
    END IF;
END $$;
