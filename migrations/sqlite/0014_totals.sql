-- How many users and organizations there are. Here they are counted, by the smallest index.

CREATE VIEW totals (name, number) AS
SELECT 'users', (SELECT count(*) FROM users) UNION ALL SELECT 'organizations', (SELECT count(*) FROM organizations);
