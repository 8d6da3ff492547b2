# serve_postgres: a private PostgreSQL server, which ends with the script that has read this; POSTGRES_SERVER is its address. A script with an
# EXIT trap of its own calls stop_postgres there.
stop_postgres() {
    kill -QUIT "$(head -1 "$cluster/data/postmaster.pid")" 2>/dev/null || true
    rm -rf "$cluster"
}
serve_postgres() {
    local here programs as=() port
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
    bash "$here/../../scripts/need.sh" postgres
    programs=(/usr/lib/postgresql/*/bin/initdb)
    [ ! -x "${programs[-1]}" ] || PATH="$(dirname "${programs[-1]}"):$PATH"
    cluster=$(mktemp -d "${TMPDIR:-/tmp}/postern-pg.XXXXXX")
    trap stop_postgres EXIT
    if [ "$(id -u)" -eq 0 ]; then
        # The server refuses to run as root.
        chown postgres: "$cluster"
        as=(setpriv --reuid postgres --regid postgres --init-groups)
    fi
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    (cd / && "${as[@]}" initdb --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync -D "$cluster/data") >/dev/null
    printf '%s\n' "port = $port" "listen_addresses = '127.0.0.1'" "unix_socket_directories = '$cluster'" 'fsync = off' >>"$cluster/data/postgresql.conf"
    (cd / && "${as[@]}" pg_ctl start -w -s -D "$cluster/data" -l "$cluster/log" </dev/null)
    POSTGRES_SERVER=postgres://postgres@127.0.0.1:$port
}
