#!/usr/bin/env bash
# All of OpenWISP's modules twice on one database: as they are, and with their authorization removed (modules/naked.py) behind postern with the
# policy of docs/recipes/openwisp. Each request goes to both; a difference that modules/explained.py does not explain is an error.
#
#   guarded.sh [--sample N] [--seed S] [--only TEXT] [--list]      all requests where no sample is asked for
#
# POSTERN_BIN names a binary that is built already. PostgreSQL with PostGIS and InfluxDB are private, and installed where they are missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bash "$root/scripts/need.sh" modules
python=$(bash "$root/scripts/openwisp-modules.sh")
if [ -z "${POSTERN_BIN:-}" ]; then
    PATH="$PATH:${HOME:-}/.cargo/bin"
    (cd "$root" && cargo build --locked --bin postern >&2)
    POSTERN_BIN=${CARGO_TARGET_DIR:-$root/target}/debug/postern
fi
. "$root/tests/reference/postgres.sh"
serve_postgres

home=$(mktemp -d "${TMPDIR:-/tmp}/postern-guarded.XXXXXX")
children=()
ended() {
    trap '' INT TERM
    [ ${#children[@]} -eq 0 ] || kill "${children[@]}" 2>/dev/null || true
    wait "${children[@]}" 2>/dev/null || true
    stop_postgres
    rm -rf "$home"
}
trap ended EXIT
read -r influx rpc guarded naked gate management < <(python3 -c '
import socket
free = [socket.create_server(("127.0.0.1", 0)) for _ in range(6)]
print(*[s.getsockname()[1] for s in free])')
export OPENWISP_DATABASE=$POSTGRES_SERVER/openwisp OPENWISP_INFLUX=http://127.0.0.1:$influx OPENWISP_FILES=$home
# Both make lists of sets, which are to be in the same order.
export PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0 PYTHONPATH=$here/modules:$here

# listens PORT: waits until somebody does, who must be alive.
listens() {
    until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
        kill -0 "${children[@]}" || { cat "$home"/*.log >&2; exit 1; }
        sleep 0.1
    done
}

cat >"$home/influxdb.conf" <<EOF
reporting-disabled = true
bind-address = "127.0.0.1:$rpc"
[meta]
dir = "$home/influx/meta"
[data]
dir = "$home/influx/data"
wal-dir = "$home/influx/wal"
[http]
bind-address = "127.0.0.1:$influx"
log-enabled = false
EOF
influxd -config "$home/influxdb.conf" >"$home/influx.log" 2>&1 &
children+=($!)
listens "$influx"
psql -q "$POSTGRES_SERVER/postgres" -c 'CREATE DATABASE openwisp' >&2
psql -q "$POSTGRES_SERVER/openwisp" -c 'CREATE EXTENSION postgis' >&2
"$python" -W ignore "$here/modules/prepare.py" >&2
for how in guarded naked; do
    "$python" -W ignore "$here/modules/serve.py" "$how" "${!how}" >"$home/$how.log" 2>&1 &
    children+=($!)
done

# As the page has it, with the places of this machine.
cp -r "$root/docs/recipes/openwisp" "$home/postern"
sed -i -e "s#127.0.0.1:8080#127.0.0.1:$gate#" -e "s#uwsgi://127.0.0.1:8000#http://127.0.0.1:$naked#" \
    -e "s#postgres://postern_reader@127.0.0.1/openwisp#$OPENWISP_DATABASE#" -e "s#postgres://postern@127.0.0.1/openwisp#$OPENWISP_DATABASE#" \
    -e 's#session: {} }#session: {}, django_session: { key: { env: DJANGO_SECRET_KEY }, engine: database } }#' "$home/postern/postern.yaml"
printf '%s\n' "management: 127.0.0.1:$management" 'log: { format: json, access: false }' >>"$home/postern/postern.yaml"
export DJANGO_SECRET_KEY='of no installation' POSTERN_DATA_DIR=$home/postern
"$POSTERN_BIN" --config "$home/postern/postern.yaml" serve >"$home/postern.log" 2>&1 &
children+=($!)
listens "$guarded"
listens "$naked"
listens "$gate"
"$python" "$here/modules/compare.py" "$guarded" "$gate" "$@"
