#!/usr/bin/env bash
# The same request at a Django REST service with openwisp-users (a token lookup and an organization check) and at postern in front of a
# plain upstream, over the same people in one private PostgreSQL. Prints the table of docs/performance.md.
#   benches/django.sh [--users 100000] [--seconds 5] [--json FILE] [--binary FILE]
# Installs what is missing (Debian, Ubuntu; Python packages into target/django), builds postern in release mode. Method: benches/README.md
set -euo pipefail
cd "$(dirname "$0")/.."

export PATH="$PATH:/usr/sbin"
if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then bash scripts/need.sh initdb postgresql; fi
bash scripts/need.sh redis-server redis-server
bash scripts/need.sh redis-cli redis-tools
bash scripts/need.sh nginx nginx-light
bash scripts/need.sh wrk wrk
bash scripts/need.sh python3 python3
venv=${CARGO_TARGET_DIR:-target}/django
if ! "$venv/bin/python" -c 'import openwisp_users, gunicorn, psycopg' 2>/dev/null; then
  python3 -m venv "$venv" 2>/dev/null || { bash scripts/need.sh python3-venv python3-venv; python3 -m venv "$venv"; }
  "$venv/bin/pip" install -q openwisp-users==1.3.2 djangorestframework==3.17.2 gunicorn==27.0.1 'psycopg[binary]==3.3.9'
fi
case " $* " in
  *" --binary"*) ;;
  *) cargo build --release --locked >&2 ;;
esac
python3 -B benches/django --venv "$venv" "$@"
