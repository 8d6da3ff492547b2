"""A large directory, straight into PostgreSQL by COPY: users, organizations, memberships, owners, tokens. The same each time.

    python3 -B benches/scale/world.py --database postgres://postgres@127.0.0.1/postern --users 1000000 --organizations 100000 \\
        --memberships 5000000 --tokens 1000000 --most 5000

The schema must be there and empty (postern migrate), and the role a superuser: triggers are off while rows are loaded, and one
change is told at the end, so that replicas forget what they knew. Tables grow: `World.grow` adds to what it has made.
"""
import argparse
import hashlib
import os
import subprocess
import sys
import time

ODD = 0x9E3779B97F4A7C15


def uid(kind, number):
    """An id of version 7: later ones sort behind earlier ones, and the rest looks random."""
    mixed = (number + 1) * ODD * (2 * kind + 1) & 0xFFFFFFFFFFFFFFFF
    mixed ^= mixed >> 29
    mixed = mixed * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    millis = 0x019300000000 + number
    return "%08x-%04x-7%03x-%04x-%012x" % (millis >> 16, millis & 0xFFFF, mixed >> 52, 0x8000 | mixed >> 38 & 0x3FFF, mixed & 0xFFFFFFFFFFFF)


def token(number):
    """As another system made it: no checksum, known by its digest."""
    return hashlib.blake2b(b"%d" % number, digest_size=20).hexdigest()


class Bar:
    """How far a table is."""

    def __init__(self, what, count):
        self.what, self.count, self.begun, self.shown = what, count, time.monotonic(), 0.0

    def at(self, done):
        now = time.monotonic()
        if done < self.count and now - self.shown < 0.2:
            return
        self.shown = now
        part = done / max(1, self.count)
        rate = done / max(0.001, now - self.begun)
        line = "%-14s [%-30s] %3d %%  %s of %s, %s/s" % (
            self.what, "#" * int(30 * part), 100 * part, format(done, ","), format(self.count, ","), format(int(rate), ","))
        last = "\n" if done >= self.count else ""
        if sys.stderr.isatty():
            print("\r" + line, end=last, file=sys.stderr, flush=True)
        elif last:
            print(line, file=sys.stderr, flush=True)


class World:
    def __init__(self, database, each=5, most=5000, psql="psql"):
        self.database, self.each, self.most, self.psql = database, each, most, psql
        self.users = self.organizations = self.tokens = self.memberships = 0
        self.owned = 0
        self.everywhere = False

    def sql(self, text):
        command = [self.psql, "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-d", self.database]
        done = subprocess.run(command, input=text, text=True, capture_output=True)
        if done.returncode:
            raise SystemExit(done.stderr.strip())
        return done.stdout.strip()

    def copy(self, what, table, columns, count, lines):
        if count <= 0:
            return
        command = [self.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.database, "-c", "SET session_replication_role = replica",
                   "-c", "COPY %s (%s) FROM STDIN" % (table, columns)]
        bar, done, chunk = Bar(what, count), 0, []
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as into:
            for line in lines:
                chunk.append(line)
                if len(chunk) == 5000:
                    into.stdin.write("".join(chunk))
                    done += len(chunk)
                    bar.at(min(done, count - 1))
                    chunk.clear()
            into.stdin.write("".join(chunk))
            into.stdin.close()
        if into.returncode:
            raise SystemExit("COPY %s failed" % table)
        bar.at(count)

    def of(self, user, organizations):
        """The organizations of a user, the first of which has them as a manager now and then."""
        return {(user * 7919 + place * 104729 + place * place) % organizations for place in range(self.each)}

    def organization_of(self, number):
        """Some organization of the user that a token belongs to, by id; as it was when that user was made."""
        user = number % self.users
        return uid(2, min(self.of(user, self.made_with(user))))

    def made_with(self, user):
        return next(organizations for users, organizations in self.steps if user < users)

    steps = ()

    def grow(self, users, organizations, tokens):
        """To so many of each, which are no fewer than there are."""
        first_user, first_organization, first_token = self.users, self.organizations, self.tokens
        indexes = self.sql("""
            SELECT indexname || E'\\t' || indexdef FROM pg_indexes i WHERE schemaname = current_schema()
            AND tablename IN ('users', 'memberships', 'tokens', 'organizations') AND NOT EXISTS
            (SELECT 1 FROM pg_constraint c WHERE c.conindid = (quote_ident(i.indexname))::regclass)""").splitlines()
        indexes = [line.split("\t") for line in indexes]
        # What is in order of the ids is cheap to keep; what is not is cheaper to make anew. A few rows are no matter.
        anew = users - first_user + tokens - first_token > 200_000
        if anew:
            self.sql("".join('DROP INDEX "%s";\n' % name for name, _ in indexes))
        self.steps += ((users, organizations),)
        self.users, self.organizations, self.tokens = users, organizations, tokens
        fresh = range(first_organization, organizations)
        self.copy("organizations", "organizations", "id, name, slug", len(fresh),
                  ("%s\tOrganization %d\torg-%d\n" % (uid(2, n), n, n) for n in fresh))
        self.copy("slugs", "slugs", "slug, organization_id", len(fresh), ("org-%d\t%s\n" % (n, uid(2, n)) for n in fresh))
        fresh = range(first_user, users)
        self.copy("users", "users", "id, username, email, first_name", len(fresh),
                  ("%s\tuser-%d\tuser-%d@example.org\tUser\n" % (uid(1, n), n, n) for n in fresh))
        owners = {}

        def memberships():
            for n in fresh:
                user = uid(1, n)
                for place, organization in enumerate(sorted(self.of(n, organizations))):
                    owner = organization >= self.owned and organization not in owners
                    if owner:
                        owners[organization] = n
                    yield "%s\t%s\t%s\n" % (user, uid(2, organization), "t" if owner or (n + place) % 20 == 0 else "f")
            if self.most and not self.everywhere and organizations >= self.most:
                self.everywhere = True
                has = self.of(0, self.made_with(0))
                more = [n for n in range(organizations) if n not in has][:self.most - len(has)]
                for organization in more:
                    yield "%s\t%s\tf\n" % (uid(1, 0), uid(2, organization))

        self.copy("memberships", "memberships", "user_id, organization_id, is_admin", len(fresh) * self.each, memberships())
        self.copy("owners", "owners", "organization_id, user_id", len(owners),
                  ("%s\t%s\n" % (uid(2, organization), uid(1, user)) for organization, user in owners.items()))
        self.owned = organizations
        fresh = range(first_token, tokens)
        digest = lambda n: hashlib.sha256(token(n).encode()).hexdigest()
        self.copy("tokens", "tokens", "id, digest, user_id", len(fresh),
                  ("%s\t\\\\x%s\t%s\n" % (uid(3, n), digest(n), uid(1, n % users)) for n in fresh))
        if anew:
            bar = Bar("indexes", len(indexes))
            for count, (_, definition) in enumerate(indexes, 1):
                self.sql("SET maintenance_work_mem = '1GB'; " + definition)
                bar.at(count)
        self.sql("ANALYZE; SELECT recount(); INSERT INTO changes (kind) VALUES ('everything')")
        self.memberships = int(self.sql("SELECT count(*) FROM memberships"))


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--database", required=True, metavar="URL")
    args.add_argument("--users", type=int, default=1_000_000)
    args.add_argument("--organizations", type=int, default=100_000)
    args.add_argument("--memberships", type=int, default=5_000_000, help="as many for each user as come out (default %(default)s)")
    args.add_argument("--tokens", type=int, default=1_000_000, help="of the users in turn")
    args.add_argument("--most", type=int, default=5000, help="so many organizations for one user (default %(default)s)")
    args.add_argument("--psql", default=os.environ.get("PSQL", "psql"))
    args = args.parse_args()
    world = World(args.database, max(1, args.memberships // args.users), min(args.most, args.organizations), args.psql)
    world.grow(args.users, args.organizations, args.tokens)
    print("%s users, %s organizations, %s memberships, %s tokens; the token of number n: blake2b, 20 bytes, of n in decimal"
          % tuple(format(n, ",") for n in (world.users, world.organizations, world.memberships, world.tokens)))


if __name__ == "__main__":
    main()
