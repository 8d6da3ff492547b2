#!/usr/bin/env bash
# Plays openwisp-users' own API tests, which are in its package, and sends each of their requests to postern too: answers, to the order of
# keys, and what becomes of the data must be the same. Says what differs; exit 1 where anything does. Takes the package from PyPI.
#
#   own_tests.sh [TEST ...]     such as openwisp_users.tests.test_api.test_api; all of its API's where none is named
#
# POSTERN_BIN names a binary that is built already, OPENWISP_USERS another version than that of
# scripts/openwisp.sh, OWN_TESTS_VENV where that one is kept.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${POSTERN_BIN:-}" ]; then
    PATH="$PATH:${HOME:-}/.cargo/bin"
    (cd "$here/../.." && cargo build --locked --bin postern >&2)
    POSTERN_BIN=${CARGO_TARGET_DIR:-$(cd "$here/../.." && pwd)/target}/debug/postern
fi
if [ -z "${OPENWISP_USERS:-}" ]; then
    python=$(bash "$here/../../scripts/openwisp.sh")
else
    venv=${OWN_TESTS_VENV:-${TMPDIR:-/tmp}/postern-own-tests-$(id -u)}
    python=$venv/bin/python
    [ -x "$venv/bin/django-admin" ] || {
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet "openwisp-users==$OPENWISP_USERS" >&2
    }
fi
# Letters are tasks there, and no broker is at hand.
export CELERY_BROKER_URL=memory://
export POSTERN_BIN DJANGO_SETTINGS_MODULE=settings PYTHONPATH=$here/own_tests PYTHONDONTWRITEBYTECODE=1
[ $# -gt 0 ] || set -- openwisp_users.tests.test_api
cd "$here/own_tests"
exec "$python" -W ignore -m django test --verbosity 0 "$@"
