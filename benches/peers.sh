#!/usr/bin/env bash
# Measures postern beside HAProxy and nginx on this machine and prints a table with the targets beside the figures.
#   benches/peers.sh [--quick] [--rounds N] [--seconds N] [--workloads W1,W3] [--json FILE] [--binary FILE]
# Installs what is missing (Debian, Ubuntu), builds postern in release mode. Method: benches/README.md
set -euo pipefail
cd "$(dirname "$0")/.."

bash scripts/need.sh build python load
# Only for machines with hardware counters; Ubuntu has it under another name.
bash scripts/need.sh perf || true
export PATH="$PATH:/usr/sbin"
case " $* " in
  *" --binary"*) ;;
  *) cargo build --release --locked >&2 ;;
esac
python3 -B benches/peers "$@"
