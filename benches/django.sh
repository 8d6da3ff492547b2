#!/usr/bin/env bash
# The same request at a Django REST service with openwisp-users (a token lookup and an organization check) and at postern in front of a
# plain upstream, over the same people in one private PostgreSQL. Prints the table of docs/performance.md.
#   benches/django.sh [--users 100000] [--seconds 5] [--json FILE] [--binary FILE]
# Installs what is missing (Debian, Ubuntu; Python packages into target/django), builds postern in release mode. Method: benches/README.md
set -euo pipefail
cd "$(dirname "$0")/.."
. benches/prepare.sh
bash scripts/need.sh build python postgres redis load
python=$(bash scripts/venv.sh django openwisp-users==1.3.2 djangorestframework==3.17.2 gunicorn==27.0.1 'psycopg[binary]==3.3.9')
release "$@"
python3 -B benches/django --venv "${python%/bin/python}" "$@"
