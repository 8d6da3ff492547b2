#!/usr/bin/env bash
# Measures what a large directory costs: private PostgreSQL and Redis, loaded to 1 million users, 100,000 organizations, 5 million
# memberships and 10 million tokens; cold, shared and warm latencies, memory. Prints the table of docs/performance.md.
#   benches/scale.sh [--quick] [--scale 0.1] [--steps N] [--json FILE] [--binary FILE]
# Installs what is missing (Debian, Ubuntu), builds postern in release mode. Needs about 10 GB of disk. Method: benches/README.md
set -euo pipefail
cd "$(dirname "$0")/.."

export PATH="$PATH:/usr/sbin"
if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then bash scripts/need.sh initdb postgresql; fi
bash scripts/need.sh redis-server redis-server
bash scripts/need.sh redis-cli redis-tools
bash scripts/need.sh nginx nginx-light
bash scripts/need.sh wrk wrk
bash scripts/need.sh python3 python3
case " $* " in
  *" --binary"*) ;;
  *) cargo build --release --locked >&2 ;;
esac
python3 -B benches/scale "$@"
