#!/usr/bin/env bash
# Runs openwisp-users' own API tests, which are in its package, with postern in place of its API: on one PostgreSQL database, `schema: openwisp`,
# each of their requests goes over HTTP to postern and not to Django, and what Django's ORM then sees must be what the tests want. What only
# looks inside Python is in own_tests/listed.txt, with reasons: a test that is listed there and passes is an error, and so is one that
# is not and fails.
#
#   bridge.sh [TEST ...]     such as openwisp_users.tests.test_api.test_api; all of its API's where none is named
#
# POSTERN_BIN names a binary that is built already, BRIDGE_SERVER a PostgreSQL server (postgres://ROLE@HOST:PORT) in place of a private one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$(bash "$here/../../scripts/openwisp.sh")
if [ -z "${POSTERN_BIN:-}" ]; then
    PATH="$PATH:${HOME:-}/.cargo/bin"
    (cd "$here/../.." && cargo build --locked --bin postern >&2)
    POSTERN_BIN=${CARGO_TARGET_DIR:-$(cd "$here/../.." && pwd)/target}/debug/postern
fi
if [ -z "${BRIDGE_SERVER:-}" ]; then
    . "$here/postgres.sh"
    serve_postgres
    BRIDGE_SERVER=$POSTGRES_SERVER
fi
# Letters are tasks there, and no broker is at hand.
export CELERY_BROKER_URL=memory://
export POSTERN_BIN BRIDGE_SERVER DJANGO_SETTINGS_MODULE=bridge_settings PYTHONPATH=$here/own_tests PYTHONDONTWRITEBYTECODE=1
# Only where all of them run, all that is listed must be there.
[ $# -gt 0 ] || { set -- openwisp_users.tests.test_api; export BRIDGE_WHOLE=1; }
cd "$here/own_tests"
"$python" -W ignore -m django test --verbosity 0 --noinput "$@"
