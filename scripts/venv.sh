#!/usr/bin/env bash
# venv.sh NAME PACKAGE…: prints the Python of a virtual environment target/NAME with these packages. It is made once; where they are
# installed already, nothing is fetched.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=target/$1
shift
mkdir -p target
exec 9>"$venv.lock"
flock 9
if [ "$(cat "$venv/wanted" 2>/dev/null)" != "$*" ]; then
    bash scripts/need.sh python
    python3 -m venv "$venv" >&2
    "$venv/bin/pip" install -q --disable-pip-version-check "$@" >&2
    printf '%s\n' "$*" >"$venv/wanted"
fi
echo "$PWD/$venv/bin/python"
