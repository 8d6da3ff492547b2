"""The dump of an OpenWISP installation with as many people as wanted, as pg_dump writes it (COPY): what `postern import openwisp` reads.

    python3 -B benches/scale/dump.py --users 1000000 --organizations 100000 --memberships 5000000 > dump.sql

The same each time. Every user has a token, an e-mail address that is verified and a hash of Django's; the token of number n is
`world.token(n)`, and ids are `world.uid`'s. Tables stand in the order of their names, as they do in a dump: tokens before users.
"""
import argparse
import base64
import hashlib
import sys

from world import Bar, token, uid

WHEN = "2024-01-02 12:00:00.123456+00"
PERMISSIONS = [(1, "openwisp_users", "user"), (2, "openwisp_users", "organization"), (3, "openwisp_users", "organizationuser"),
               (4, "account", "emailaddress")]
GROUPS = ("Operator", "Administrator")
VERBS = ("add", "change", "delete", "view")


def hashed(number):
    """In Django's form, and of no password: nobody needs to log in."""
    digest = hashlib.sha256(b"%d" % number).digest()
    return "pbkdf2_sha256$1000000$%s$%s" % (digest.hex()[:20], base64.b64encode(digest).decode())


def organizations_of(user, organizations, each):
    return sorted({(user * 7919 + place * 104729 + place * place) % organizations for place in range(each)})


class Dump:
    def __init__(self, out):
        self.out = out
        out.write("--\n-- PostgreSQL database dump\n--\n\nSET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n"
                  "SELECT pg_catalog.set_config('search_path', '', false);\n\n")

    def table(self, name, columns, rows, count):
        self.out.write("--\n-- Data for Name: %s; Type: TABLE DATA; Schema: public; Owner: -\n--\n\n" % name)
        self.out.write("COPY public.%s (%s) FROM stdin;\n" % (name, columns))
        bar, chunk = Bar(name[-14:], count), []
        for done, row in enumerate(rows):
            chunk.append("\t".join(row) + "\n")
            if len(chunk) == 5000:
                self.out.write("".join(chunk))
                chunk.clear()
                bar.at(min(done, count - 1))
        self.out.write("".join(chunk) + "\\.\n\n\n")
        bar.at(count)


def write(out, users, organizations, each):
    dump = Dump(out)
    people = range(users)
    verbs = [(n * 4 + v + 1, verb, kind, name) for n, (kind, _, name) in enumerate(PERMISSIONS) for v, verb in enumerate(VERBS)]
    dump.table("account_emailaddress", 'id, email, verified, "primary", user_id',
               ((str(n + 1), "user-%d@example.org" % n, "t", "t", uid(1, n)) for n in people), users)
    dump.table("auth_group", "id, name", ((str(n), name) for n, name in enumerate(GROUPS, 1)), 2)
    dump.table("auth_group_permissions", "id, group_id, permission_id",
               ((str(n), str(1 + n % 2), str(number)) for n, (number, *_) in enumerate(verbs)), len(verbs))
    dump.table("auth_permission", "id, name, content_type_id, codename",
               ((str(number), "Can %s %s" % (verb, name), str(kind), "%s_%s" % (verb, name)) for number, verb, kind, name in verbs), len(verbs))
    dump.table("authtoken_token", "key, created, user_id", ((token(n), WHEN, uid(1, n)) for n in people), users)
    dump.table("django_content_type", "id, app_label, model", ((str(n), app, model) for n, app, model in PERMISSIONS), len(PERMISSIONS))
    dump.table("openwisp_users_organization", "created, modified, id, name, is_active, slug, description, email, url",
               ((WHEN, WHEN, uid(2, n), "Organization %d" % n, "t", "org-%d" % n, "", "", "") for n in range(organizations)), organizations)
    owners = {}
    for n in people:
        for organization in organizations_of(n, organizations, each):
            owners.setdefault(organization, n)
    # A membership's id says whose it is and where: random to look at, as Django's are.
    member = lambda user, organization: hashlib.blake2b(b"%d %d" % (user, organization), digest_size=16).hexdigest()
    dump.table("openwisp_users_organizationowner", "created, modified, id, organization_id, organization_user_id",
               ((WHEN, WHEN, uid(5, o), uid(2, o), member(n, o)) for o, n in owners.items()), len(owners))
    dump.table("openwisp_users_organizationuser", "created, modified, is_admin, id, organization_id, user_id",
               ((WHEN, WHEN, "t" if owners.get(o) == n or (n + o) % 20 == 0 else "f", member(n, o), uid(2, o), uid(1, n))
                for n in people for o in organizations_of(n, organizations, each)), users * each)
    dump.table("openwisp_users_user", "password, last_login, is_superuser, username, first_name, last_name, email, is_staff, is_active, "
               "date_joined, id, bio, url, company, location, phone_number, birth_date, notes, language, password_updated, "
               "expiration_date, password_based_token",
               ((hashed(n), "\\N", "f", "user-%d" % n, "User", "No. %d" % n, "user-%d@example.org" % n, "f", "t", WHEN, uid(1, n), "", "", "",
                 "", "\\N", "\\N", "", "en-gb", "2024-01-01", "\\N", "\\N") for n in people), users)
    dump.table("openwisp_users_user_groups", "id, user_id, group_id",
               ((str(n + 1), uid(1, n), str(1 + n % 20 // 10)) for n in people if n % 10 == 0), (users + 9) // 10)
    dump.table("openwisp_users_user_user_permissions", "id, user_id, permission_id", iter(()), 0)
    out.write("--\n-- PostgreSQL database dump complete\n--\n")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--users", type=int, default=1_000_000)
    args.add_argument("--organizations", type=int, default=100_000)
    args.add_argument("--memberships", type=int, default=5_000_000, help="as many for each user as come out (default %(default)s)")
    args.add_argument("--out", metavar="FILE", help="instead of the standard output")
    args = args.parse_args()
    out = open(args.out, "w", buffering=1 << 20) if args.out else sys.stdout
    write(out, args.users, args.organizations, max(1, args.memberships // args.users))
    out.flush()


if __name__ == "__main__":
    main()
