#!/usr/bin/env bash
# Serves an OpenWISP data set as the reference does: builds postern, imports the dumps in a directory, and answers on a port
# with `compat: openwisp` (prefix +39, 20 logins a day and address, forwarded addresses believed from this machine).
#
#   serve.sh --seed DIR --port PORT [--secret-key KEY] [--store sqlite]     until it is stopped
#   serve.sh --reset --port PORT                                            as it was after the import, caches and limits too
#
# DIR has schema*.sql (else the schema beside this script is taken) and seed*.sql, as pg_dump writes them. POSTERN_BIN names a
# binary that is built already, POSTERN_REFERENCE_ITERATIONS the cost of a password (1000000, as Django's).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
seed='' port='' key='' store=sqlite reset=
while [ $# -gt 0 ]; do
    case $1 in
        --seed) seed=$2; shift 2 ;;
        --port) port=$2; shift 2 ;;
        --secret-key) key=$2; shift 2 ;;
        --store) store=$2; shift 2 ;;
        --reset) reset=1; shift ;;
        *) echo "serve.sh: what is $1?" >&2; exit 2 ;;
    esac
done
case $port in ''|*[!0-9]*) echo "serve.sh: --port PORT is needed" >&2; exit 2 ;; esac
home=${POSTERN_REFERENCE_DIR:-${TMPDIR:-/tmp}/postern-reference-$(id -u)}/$port

# The process that serves counts its starts in $home/started.
if [ -n "$reset" ]; then
    [ -f "$home/pid" ] || { echo "serve.sh: nothing serves on port $port" >&2; exit 1; }
    before=$(cat "$home/started")
    kill -USR1 "$(cat "$home/pid")"
    for _ in $(seq 1500); do
        [ "$(cat "$home/started")" != "$before" ] && exit 0
        sleep 0.02
    done
    echo "serve.sh: it did not come back; see $home/log" >&2
    exit 1
fi

[ -d "$seed" ] || { echo "serve.sh: --seed DIR is needed" >&2; exit 2; }
[ "$store" = sqlite ] || { echo "serve.sh: the store $store is not supported" >&2; exit 2; }
seed=$(cd "$seed" && pwd)
if [ -n "${POSTERN_BIN:-}" ]; then
    postern=$POSTERN_BIN
else
    PATH="$PATH:${HOME:-}/.cargo/bin"
    (cd "$here/../.." && cargo build --locked --bin postern >&2)
    postern=${CARGO_TARGET_DIR:-$here/../../target}/debug/postern
fi

rm -rf "$home"
mkdir -p -m 700 "$home"
export POSTERN_TOKEN_KEY="tokens of the reference ${key:-without a key}" DJANGO_SECRET_KEY="$key"
cat > "$home/postern.yaml" <<YAML
listen: 127.0.0.1:$port
admin: 127.0.0.1:0
database: sqlite:postern.db
upstreams: { none: http://127.0.0.1:9 }
policy: [routes.yaml]
compat: openwisp
trusted_proxies: [127.0.0.0/8, "::1"]
log: { format: json, access: false }
drain: { lame_duck: 0s }
identity:
  api: token
  login: { phone_prefixes: ["+39"] }
  token: { throttle: 20/day, key: { env: POSTERN_TOKEN_KEY } }
  passwords: { algorithm: pbkdf2_sha256, iterations: ${POSTERN_REFERENCE_ITERATIONS:-1000000}, md5: true }
YAML
printf 'version: 1\nroutes:\n  /**: authenticated\n' > "$home/routes.yaml"
shopt -s nullglob
schemas=("$seed"/schema*.sql) seeds=("$seed"/seed*.sql)
[ ${#schemas[@]} -gt 0 ] || schemas=("$here/schema_core.sql")
[ ${#seeds[@]} -gt 0 ] || { echo "serve.sh: there is no seed*.sql in $seed" >&2; exit 2; }
cd "$home"
"$postern" --config postern.yaml import openwisp --sql "${schemas[@]}" "${seeds[@]}" >&2
mv postern.db pristine.db
echo 0 > started
echo $$ > pid

child=
ended() { [ -z "$child" ] || kill -9 "$child" 2>/dev/null || true; rm -f pid; }
trap ended EXIT
trap 'exit 0' TERM INT
# A reset ends the child; the loop begins it anew on a fresh copy.
trap 'kill -9 "$child" 2>/dev/null || true' USR1
starts=0
while :; do
    rm -f postern.db postern.db-wal postern.db-shm
    cp pristine.db postern.db
    : > log
    "$postern" --config postern.yaml serve 2>> log &
    child=$!
    until grep -q '"serving"' log; do
        kill -0 "$child" 2>/dev/null || { cat log >&2; exit 1; }
        sleep 0.02
    done
    starts=$((starts + 1))
    echo "$starts" > started.new && mv started.new started
    [ "$starts" -gt 1 ] || echo "serving on http://127.0.0.1:$port" >&2
    status=0
    wait "$child" || status=$?
    # Stopped by somebody else, and not for a reset: 137 is the reset's kill, above 128 also the signal that woke us.
    [ "$status" -gt 128 ] || exit "$status"
    wait "$child" 2>/dev/null || true
done
