#!/usr/bin/env bash
# Measures what a large directory costs: private PostgreSQL and Redis, loaded to 1 million users, 100,000 organizations, 5 million
# memberships and 10 million tokens; cold, shared and warm latencies, memory. Prints the table of docs/performance.md.
#   benches/scale.sh [--quick] [--scale 0.1] [--steps N] [--json FILE] [--binary FILE]
# Installs what is missing (Debian, Ubuntu), builds postern in release mode. Needs about 10 GB of disk. Method: benches/README.md
set -euo pipefail
cd "$(dirname "$0")/.."
. benches/prepare.sh
bash scripts/need.sh build python postgres redis load
release "$@"
python3 -B benches/scale "$@"
