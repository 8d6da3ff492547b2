#!/usr/bin/env bash
# Serves an OpenWISP data set as the reference does: builds postern, imports the dumps in a directory, and answers on a port
# with `compat: openwisp` (prefix +39, 20 logins a day and address, forwarded addresses believed from this machine).
#
#   serve.sh --seed DIR --port PORT [--secret-key KEY] [--store sqlite|postgres] [--upstream URL]     until it is stopped
#   serve.sh --reset --port PORT                                            as it was after the import, caches and limits too
#
# DIR has schema*.sql (else the schema beside this script is taken) and seed*.sql, as pg_dump writes them. With a secret key,
# Django's, sesame tokens count as django-sesame makes them where nothing else is set (POSTERN__IDENTITY__SESAME__MAX_AGE=5m
# for those that end). `postgres` is a private server, on a Unix socket alone, that ends with this script. Whatever passes goes to
# the upstream, or nowhere (502). POSTERN_BIN names a binary that is built already, POSTERN_REFERENCE_ITERATIONS the cost of
# a password (1000000, as Django's).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
usage() { echo "serve.sh: $*" >&2; exit 2; }
seed='' port='' key='' store=sqlite reset='' free='' upstream=http://127.0.0.1:9
while [ $# -gt 0 ]; do
    case $1 in
        --seed | --port | --secret-key | --store | --upstream)
            [ $# -gt 1 ] || usage "$1 needs a value"
            case $1 in
                --seed) seed=$2 ;;
                --port) port=$2 ;;
                --secret-key) key=$2 ;;
                --store) store=$2 ;;
                --upstream) upstream=$2 ;;
            esac
            shift 2 ;;
        --reset) reset=1; shift ;;
        --help | -h) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0"; exit 0 ;;
        *) usage "what is $1?" ;;
    esac
done
case $port in ''|*[!0-9]*) usage "--port PORT is needed" ;; esac
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

[ -d "$seed" ] || usage "--seed DIR is needed"
case $store in sqlite | postgres) ;; *) usage "the store is sqlite or postgres, not $store" ;; esac
seed=$(cd "$seed" && pwd)
shopt -s nullglob
schemas=("$seed"/schema*.sql) seeds=("$seed"/seed*.sql)
[ ${#schemas[@]} -gt 0 ] || schemas=("$here/schema_core.sql")
[ ${#seeds[@]} -gt 0 ] || usage "there is no seed*.sql in $seed"
if [ -n "${POSTERN_BIN:-}" ]; then
    postern=$POSTERN_BIN
else
    PATH="$PATH:${HOME:-}/.cargo/bin"
    (cd "$here/../.." && cargo build --locked --bin postern >&2)
    postern=${CARGO_TARGET_DIR:-$here/../../target}/debug/postern
fi

# Whoever serves there may be ending just now; its data is its own until then.
for _ in $(seq 50); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { free=1; break; }
    sleep 0.1
done
[ -n "$free" ] || usage "port $port is in use: stop what serves there, or use --reset"
rm -rf "$home"
mkdir -p -m 700 "$home"
cd "$home"
export POSTERN_TOKEN_KEY="tokens of the reference ${key:-without a key}"
schemes='[bearer]' sesame=''
if [ -n "$key" ]; then
    export DJANGO_SECRET_KEY="$key"
    schemes='[bearer, sesame]' sesame='  sesame: { key: { env: DJANGO_SECRET_KEY }, max_age: none }'
fi
cat > postern.yaml <<YAML
listen: 127.0.0.1:$port
management: 127.0.0.1:0
database: sqlite:postern.db
upstreams: { reference: "$upstream" }
policy: [routes.yaml]
compat: openwisp
trusted_proxies: [127.0.0.0/8, "::1"]
log: { format: json, access: false }
drain: { lame_duck: 0s }
jobs: { deactivate_expired: off, expiration_reminder: off, password_reminder: off }
identity:
  api: all
  login: { phone_prefixes: ["+39"] }
  token: { throttle: 20/day, key: { env: POSTERN_TOKEN_KEY } }
  passwords: { algorithm: pbkdf2_sha256, iterations: ${POSTERN_REFERENCE_ITERATIONS:-1000000}, md5: true }
$sesame
YAML
printf 'version: 1\nauthenticate: %s\nroutes:\n  /**: authenticated\n' "$schemes" > routes.yaml

# A store is made once and then copied: `begin` gives the child a fresh copy, `ahead` makes what can be made before that.
child='' cluster='' spare=''
if [ "$store" = postgres ]; then
    programs=(/usr/lib/postgresql/*/bin/initdb)
    [ ${#programs[@]} -eq 0 ] || PATH="$(dirname "${programs[-1]}"):$PATH"
    command -v initdb >/dev/null || { echo "serve.sh: missing: PostgreSQL's server (initdb)" >&2; exit 1; }
    cluster=$(mktemp -d "${TMPDIR:-/tmp}/postern-reference-pg.XXXXXX")
    as=()
    if [ "$(id -u)" -eq 0 ]; then
        # The server refuses to run as root.
        chown postgres: "$cluster"
        as=(setpriv --reuid postgres --regid postgres --init-groups)
    fi
    server() { (cd / && exec "${as[@]}" "$@" </dev/null >>"$cluster.log" 2>&1); }
    url() { echo "postgres://postgres@localhost/$1?host=$cluster&sslmode=disable"; }
    sql() { psql -h "$cluster" -U postgres -d postgres -qAt -v ON_ERROR_STOP=1 "$@"; }
    begin() { while [ -n "$spare" ] && kill -0 "$spare" 2>/dev/null; do wait "$spare" || true; done; }
    ahead() {
        local old=()
        [ "$1" -lt 2 ] || old=(-c "DROP DATABASE live$(($1 - 1)) WITH (FORCE)")
        sql -c "CREATE DATABASE live$(($1 + 1)) TEMPLATE pristine" "${old[@]}" &
        spare=$!
    }
    database() { url "live$1"; }
else
    begin() { rm -f postern.db postern.db-wal postern.db-shm; cp pristine.db postern.db; }
    ahead() { :; }
    database() { echo sqlite:postern.db; }
fi
ended() {
    [ -z "$child" ] || kill -9 "$child" 2>/dev/null || true
    rm -f pid
    if [ -n "$cluster" ] && [ -f "$cluster/data/postmaster.pid" ]; then
        kill -QUIT "$(head -1 "$cluster/data/postmaster.pid")" 2>/dev/null || true
    fi
    [ -z "$cluster" ] || rm -rf "$cluster" "$cluster.log"
}
trap ended EXIT
trap 'exit 0' TERM INT

import=("$postern" --config postern.yaml import openwisp --sql "${schemas[@]}" "${seeds[@]}")
if [ "$store" = postgres ]; then
    : > "$cluster.log"
    server initdb --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync -D "$cluster/data"
    printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$cluster'" 'fsync = off' 'full_page_writes = off' \
        'autovacuum = off' 'max_connections = 50' 'shared_buffers = 32MB' >> "$cluster/data/postgresql.conf"
    server pg_ctl start -w -s -D "$cluster/data" -l "$cluster/log"
    # Whoever kills this script without a word leaves no server behind.
    (
        trap '' TERM INT
        while kill -0 $$ 2>/dev/null; do sleep 1; done
        kill -QUIT "$(head -1 "$cluster/data/postmaster.pid")" 2>/dev/null || true
        rm -rf "$cluster" "$cluster.log"
    ) </dev/null >/dev/null 2>&1 &
    sql -c 'CREATE DATABASE pristine'
    POSTERN__DATABASE=$(url pristine) "$postern" --config postern.yaml migrate >&2
    POSTERN__DATABASE=$(url pristine) "${import[@]}" >&2
    ahead 0
else
    "${import[@]}" >&2
    mv postern.db pristine.db
fi
echo 0 > started
echo $$ > pid

# A reset ends the child; the loop begins it anew on a fresh copy.
trap 'kill -9 "$child" 2>/dev/null || true' USR1
starts=0
while :; do
    begin
    : > log
    starts=$((starts + 1))
    POSTERN__DATABASE=$(database "$starts") "$postern" --config postern.yaml serve 2>> log &
    child=$!
    until grep -q '"serving"' log; do
        kill -0 "$child" 2>/dev/null || { cat log >&2; exit 1; }
        sleep 0.02
    done
    echo "$starts" > started.new && mv started.new started
    [ "$starts" -gt 1 ] || echo "serving on http://127.0.0.1:$port" >&2
    ahead "$starts"
    status=0
    wait "$child" || status=$?
    # Stopped by somebody else, and not for a reset: 137 is the reset's kill, above 128 also the signal that woke us.
    [ "$status" -gt 128 ] || exit "$status"
    wait "$child" 2>/dev/null || true
done
