#!/usr/bin/env bash
# Prints the Python that tests ask second opinions of: PyJWT makes their JWTs, django-sesame their sesame tokens, allauth the tokens of
# links to new passwords; aiosmtpd takes their letters. It lives in a
# virtual environment under target/, made once; where the packages are installed already, nothing is fetched.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=target/python
wanted="PyJWT==2.10.1 cryptography Django>=5,<6 django-sesame==3.2.3 django-allauth==65.19.7 aiosmtpd==1.4.6"
mkdir -p target
exec 9>target/python.lock
flock 9
if [ "$(cat "$venv/wanted" 2>/dev/null)" != "$wanted" ]; then
    bash scripts/need.sh python3 python3 python3-venv
    python3 -m venv "$venv" >&2
    read -ra packages <<<"$wanted"
    "$venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" >&2
    printf '%s\n' "$wanted" >"$venv/wanted"
fi
echo "$PWD/$venv/bin/python"
