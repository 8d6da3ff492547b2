#!/usr/bin/env bash
# Measures postern beside HAProxy and nginx on this machine and prints a table with the targets beside the figures.
#   benches/peers.sh [--quick] [--rounds N] [--seconds N] [--workloads W1,W3] [--json FILE] [--binary FILE]
# Installs what is missing (Debian, Ubuntu), builds postern in release mode. Method: benches/README.md
set -euo pipefail
cd "$(dirname "$0")/.."

# Debian starts a server when it is installed, and not on loopback only: forbid that while we install.
no_servers=/usr/sbin/policy-rc.d
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
has() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; }

install_missing() {
  local missing=() tool
  for tool in haproxy nginx wrk python3 valgrind openssl; do has "$tool" || missing+=("$tool"); done
  has taskset || missing+=(util-linux)
  has h2load || missing+=(nghttp2-client)
  [ ${#missing[@]} = 0 ] && return
  if ! has apt-get || ! as_root true 2>/dev/null; then
    echo "missing: ${missing[*]}. Run this as root on Debian or Ubuntu, or install them yourself." >&2
    exit 1
  fi
  echo "installing: ${missing[*]}" >&2
  if [ ! -e $no_servers ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $no_servers >/dev/null
    as_root chmod +x $no_servers
    trap 'as_root rm -f $no_servers' EXIT
  fi
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600)
  as_root "${apt[@]}" update -q >&2
  as_root "${apt[@]}" install -qy --no-install-recommends "${missing[@]}" >&2
  # Only for machines with hardware counters; Ubuntu has it under another name.
  has perf || as_root "${apt[@]}" install -qy --no-install-recommends linux-perf >&2 || true
}

install_missing
export PATH="$PATH:/usr/sbin"
case " $* " in
  *" --binary"*) ;;
  *) cargo build --release --locked >&2 ;;
esac
python3 -B benches/peers "$@"
