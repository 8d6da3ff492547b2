#!/usr/bin/env bash
# What requests to the identity API cost: postern's own CPU time, over a private PostgreSQL of a million users, beside the reference
# (openwisp-users on Django REST framework) in the same run. Prints the table of docs/performance.md.
#   benches/identity.sh [--quick] [--users 1000000] [--seconds 2] [--rounds 3] [--no-reference] [--json FILE] [--binary FILE]
# Installs what is missing (Debian, Ubuntu; Python packages into target/django), builds postern in release mode. Method: benches/README.md
set -euo pipefail
cd "$(dirname "$0")/.."
. benches/prepare.sh
bash scripts/need.sh build python postgres load
python=none/bin/python
case " $* " in
  *" --no-reference"*) ;;
  *) python=$(bash scripts/venv.sh django openwisp-users==1.3.2 djangorestframework==3.17.2 gunicorn==27.0.1 'psycopg[binary]==3.3.9') ;;
esac
release "$@"
python3 -B benches/identity --venv "${python%/bin/python}" "$@"
