#!/usr/bin/env bash
# Measures what `postern import openwisp` costs: a dump of 1 million users, 100,000 organizations and 5 million memberships, and one of a
# tenth of it, into SQLite and into a private PostgreSQL; ended in the middle with kill -9, done, and done again; then served.
#   benches/import.sh [--users 1000000] [--stores sqlite,postgres] [--json FILE] [--binary FILE]
# Installs what is missing (Debian, Ubuntu), builds postern in release mode. Needs about 15 GB of disk. Method: benches/README.md
set -euo pipefail
cd "$(dirname "$0")/.."
. benches/prepare.sh
bash scripts/need.sh build python postgres load
release "$@"
python3 -B benches/scale/importing.py "$@"
