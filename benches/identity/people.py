"""The same people for postern and for the reference, made by SQL: users, organizations, memberships, tokens.

User 0 is a superuser, and the one in the middle belongs to `most` organizations. Everybody belongs to two; the first own one each.
"""
import hashlib


def uid(kind, number):
    return "%08x-0000-7000-8000-%012x" % (kind, number)


def token(number):
    """As another system made it."""
    return hashlib.md5(b"%d" % number).hexdigest()


ID = "('%08x-0000-7000-8000-' || lpad(to_hex(%s), 12, '0'))::uuid"
USER, ORGANIZATION, TIE = (lambda n, kind=kind: ID % (kind, n) for kind in (1, 2, 3))

# Triggers tell each change, and look at each: nobody has begun to follow them.
POSTERN = """
SET session_replication_role = replica;
DROP INDEX IF EXISTS users_searched, organizations_searched;
INSERT INTO organizations (id, name, slug) SELECT {organization}, 'Organization ' || n, 'org-' || n FROM generate_series(0, {last_organization}) n;
INSERT INTO slugs (slug, organization_id) SELECT slug, id FROM organizations;
INSERT INTO users (id, username, email, first_name, last_name, phone_number, is_superuser, is_staff)
SELECT {user}, 'user-' || n, 'user-' || n || '@example.org', 'Given' || n % 1000, 'Family' || n % 5000, '+39340' || lpad(n::text, 8, '0'), n = 0, n % 20 = 0
FROM generate_series(0, {last_user}) n;
INSERT INTO memberships (user_id, organization_id, is_admin) SELECT user_id, organization_id, is_admin FROM ({ties}) AS ties;
INSERT INTO owners (organization_id, user_id) SELECT {organization}, {user} FROM generate_series(0, {last_organization}) n;
INSERT INTO tokens (id, digest, user_id) SELECT {tie}, sha256(convert_to(md5(n::text), 'UTF8')), {user} FROM generate_series(0, {last_token}) n;
INSERT INTO tokens (id, digest, user_id) SELECT {many_token}, sha256(convert_to(md5('{many}'), 'UTF8')), {one} WHERE {many} > {last_token};
SELECT recount();
SELECT index_search();
INSERT INTO changes (kind) VALUES ('everything');
"""

DJANGO = """
SET session_replication_role = replica;
INSERT INTO openwisp_users_organization (created, modified, id, name, is_active, slug, description, email, url)
SELECT now(), now(), {organization}, 'Organization ' || n, true, 'org-' || n, '', '', '' FROM generate_series(0, {last_organization}) n;
INSERT INTO openwisp_users_user (id, username, email, first_name, last_name, phone_number, is_superuser, is_staff, is_active, password, date_joined, bio, url,
    company, location, notes, language)
SELECT {user}, 'user-' || n, 'user-' || n || '@example.org', 'Given' || n % 1000, 'Family' || n % 5000, '+39340' || lpad(n::text, 8, '0'), n = 0, n % 20 = 0,
    true, '!', now(), '', '', '', '', '', 'en-gb'
FROM generate_series(0, {last_user}) n;
INSERT INTO openwisp_users_organizationuser (created, modified, id, is_admin, organization_id, user_id)
SELECT now(), now(), gen_random_uuid(), is_admin, organization_id, user_id FROM ({ties}) AS ties;
INSERT INTO openwisp_users_organizationowner (created, modified, id, organization_id, organization_user_id)
SELECT now(), now(), gen_random_uuid(), organization_id, id FROM openwisp_users_organizationuser x
WHERE EXISTS (SELECT 1 FROM generate_series(0, {last_organization}) n WHERE x.user_id = {user} AND x.organization_id = {organization});
INSERT INTO authtoken_token (key, created, user_id) SELECT md5(n::text), now(), {user} FROM generate_series(0, {last_token}) n;
"""

TIES = """SELECT DISTINCT ON (1, 2) * FROM (
    SELECT {user}, {first}, n <= {last_organization} OR n % 20 = 0 FROM generate_series(0, {last_user}) n
    UNION ALL SELECT {user}, {second}, false FROM generate_series(0, {last_user}) n
    UNION ALL SELECT {one}, {organization}, false FROM generate_series(0, {most} - 1) n
) AS all_ties (user_id, organization_id, is_admin) ORDER BY 1, 2, 3 DESC"""


def sql(template, users, organizations, tokens, most):
    values = {"last_user": users - 1, "last_organization": organizations - 1, "last_token": tokens - 1, "most": min(most, organizations),
              "user": USER("n"), "organization": ORGANIZATION("n"), "tie": TIE("n"), "many": users // 2, "many_token": TIE(str(users // 2)), "one": USER(str(users // 2)),
              "first": ORGANIZATION("n %% %d" % organizations), "second": ORGANIZATION("(n * 7919::bigint + 1) %% %d" % organizations)}
    return template.format(ties=TIES.format(**values), **values)
