#!/usr/bin/env bash
# Runs the Dockerfile by hand, where no container engine or base image can be had. The build stage: its COPY and RUN lines in an
# empty directory, with this machine's toolchain. The runtime stage: Debian bookworm in a chroot with a read-only root, the
# numeric user, no capabilities, process 1 of a namespace, the health command, SIGTERM.
#
#   deploy/verify-image.sh [BINARY]      as root; with a BINARY the build stage is left out
#   ROOTFS=DIR                           a bookworm root to use, else debootstrap makes one under target/
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
ok() { printf 'ok: %s\n' "$*"; }

[ "$(id -u)" -eq 0 ] || fail "mounts and chroot need root"

# What the Dockerfile says of the runtime stage, so that this script cannot say something else.
runtime=$(sed -n '/^FROM debian/,$p' Dockerfile)
says() { sed -n "s/^$1 //p" <<<"$runtime"; }
list() { tr -d '[]",' <<<"$1"; }
IFS=: read -r uid gid <<<"$(says USER)"
read -ra entrypoint <<<"$(list "$(says ENTRYPOINT)")"
read -ra command <<<"$(list "$(says CMD)")"
read -ra health <<<"$(list "$(sed -n 's/^HEALTHCHECK .*CMD //p' <<<"$runtime")")"
mapfile -t environment < <(says ENV)
volume=$(says VOLUME)
signal=$(says STOPSIGNAL)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build_stage DIR: its COPY and RUN lines, in order, there.
build_stage() {
    local instruction rest words target source
    sed -n '/^FROM rust/,/^FROM debian/p' Dockerfile | sed -e ':a' -e '/\\$/N; s/\\\n//; ta' | while read -r instruction rest; do
        case $instruction in
            COPY)
                read -ra words <<<"$rest"
                target=$1/${words[-1]}
                for source in "${words[@]::${#words[@]}-1}"; do
                    if [ -d "$source" ]; then mkdir -p "$target" && cp -R "$source/." "$target"; else mkdir -p "$(dirname "$target")" && cp "$source" "$target"; fi
                done
                ;;
            RUN) (cd "$1" && env -u CARGO_TARGET_DIR sh -euc "$rest") </dev/null ;;
        esac
    done
}

binary=${1:-}
if [ -z "$binary" ]; then
    mkdir "$work/src"
    build_stage "$work/src"
    binary=$work/src/target/release/postern
    [ -x "$binary" ] || fail "the build stage made no binary"
    ok "the build stage: $(stat -c %s "$binary") bytes"
fi

root=${ROOTFS:-target/image/rootfs}
if [ ! -x "$root/bin/sh" ]; then
    bash scripts/need.sh image
    mkdir -p "$root"
    debootstrap --variant=minbase bookworm "$root" >/dev/null
fi

# RUN and COPY.
install -D -m 0755 "$binary" "$root/usr/local/bin/postern"
install -D -m 0644 deploy/postern.yaml "$root/etc/postern/postern.yaml"
chroot "$root" install -d -o "$uid" -g "$gid" -m 0700 "$volume"
install -d -o "$uid" -g "$gid" -m 0700 "$work/data"
mkdir "$work/root"

# The engine's part: a mount namespace with the root read-only and the volume on top, ports of this machine.
free_port() { while port=$((20000 + RANDOM)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done; echo "$port"; }
data_port=$(free_port)
admin_port=$(free_port)
cat >"$work/enter" <<INNER
#!/bin/bash
set -eu
mount --bind "$(realpath "$root")" "$work/root"
mount -o remount,bind,ro "$work/root"
mount --bind "$work/data" "$work/root$volume"
mount -t proc proc "$work/root/proc"
exec chroot "$work/root" /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin ${environment[*]} \
    POSTERN__LISTEN=127.0.0.1:$data_port POSTERN__MANAGEMENT=127.0.0.1:$admin_port \
    /usr/bin/setpriv --reuid=$uid --regid=$gid --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all -- "\$@"
INNER
chmod 0755 "$work" "$work/enter"
enter() { unshare --mount --propagation private "$work/enter" "$@"; }

enter /bin/sh -c 'touch /nothing' 2>/dev/null && fail "the root can be written"
ok "the root is read-only"
[ "$(enter /usr/bin/id -u)" = "$uid" ] || fail "the user is not $uid"
ok "the user is $uid:$gid, without capabilities"
enter "${health[@]}" >/dev/null 2>&1 && fail "healthy before it runs"
ok "not healthy before it runs"

unshare --pid --fork --kill-child --mount --propagation private "$work/enter" \
    "${entrypoint[@]}" "${command[@]}" --upstream http://127.0.0.1:9 >"$work/out" 2>"$work/err" &
outer=$!
for _ in $(seq 100); do
    if enter "${health[@]}" >"$work/health" 2>/dev/null; then break; fi
    kill -0 "$outer" 2>/dev/null || { cat "$work/err" >&2; fail "it did not start"; }
    sleep 0.1
done
grep -q '"ready":true' "$work/health" || { cat "$work/err" >&2; fail "it did not become healthy"; }
ok "healthy: $(cat "$work/health")"

exec 3<>"/dev/tcp/127.0.0.1/$data_port"
printf 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
answer=$(cat <&3)
exec 3>&-
grep -q '^HTTP/1.1 401' <<<"$answer" || fail "no refusal without a token: $answer"
ok "a request without a token: 401"

owners=$(stat -c '%u %a' "$work/data/postern.db")
[ "$owners" = "$uid 600" ] || fail "the store is $owners, not $uid 600"
ok "the store is on the volume, for its user alone"

inner=$(pgrep -P "$outer")
kill -s "${signal#SIG}" "$inner"
code=0
wait "$outer" || code=$?
[ "$code" -eq 0 ] || { cat "$work/err" >&2; fail "exit $code after $signal"; }
grep -q 'stopped' "$work/err" || fail "no orderly stop in the log"
ok "$signal: drained, exit 0"
echo "ok: the runtime stage holds"
