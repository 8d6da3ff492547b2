#!/usr/bin/env bash
# fresh.sh [OPTION…] [COMMAND…]: a machine that has nothing, and what somebody does there who has read the README.
#
# Makes a minimal root of this machine's Debian (ca-certificates, git, curl, nothing else) with the Rust toolchain that is in use here,
# clones HEAD into it and runs COMMAND there as root; without one, the two commands of the README. Everything that is mounted for it is in
# namespaces of its own, which end with the last process: nothing of this machine can be reached, or removed, through the root.
# What the machine needs to reach its package registries is copied: apt's sources, certificates, the configuration of pip and cargo,
# variables for proxies and certificates.
#
#   --with PROGRAM   copies a program of this machine to the root's /usr/local/bin, where there is one (cargo-nextest); may be repeated
#   --dir DIR        where the root is made, and 15 GB are free [default: TMPDIR, else /var/tmp]
#   --keep           leaves the root, to look at
#
# Needs root, and a machine that lets it mount: exit code 75 where it does not.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'fresh: %s\n' "$*" >&2; }
with=() dir=${TMPDIR:-/var/tmp} keep=no
while [ $# -gt 0 ]; do
    case $1 in
        --with) with+=("$2"); shift 2 ;;
        --dir) dir=$2; shift 2 ;;
        --keep) keep=yes; shift ;;
        *) break ;;
    esac
done
[ $# -gt 0 ] || set -- bash -c './scripts/try-demo.sh && ./scripts/test.sh'

if [ "$(id -u)" -ne 0 ] || ! unshare --mount --pid --fork --propagation private true 2>/dev/null; then
    say "needs root, and a machine that lets it mount"
    exit 75
fi
toolchain=$(rustc --print sysroot)
case $toolchain in
    /usr | /usr/local) say "needs a toolchain in a directory of its own, as rustup has it"; exit 75 ;;
esac
bash scripts/need.sh root

free=$(df --output=avail -BG "$dir" | tail -1 | tr -dc 0-9)
if [ "$free" -lt 15 ]; then
    say "$dir has $free GB free, and 15 are needed; --dir names another"
    exit 1
fi
root=$(mktemp -d "$dir/postern-fresh.XXXXXX")
clean() {
    if [ "$keep" = yes ]; then say "the root is left: $root"; else rm -rf --one-file-system "$root"; fi
}
inside=
trap clean EXIT
# Everything in the root ends with the one process that is known here.
trap '[ -z "$inside" ] || kill -KILL "$inside"; exit 130' INT TERM

release=$(. /etc/os-release && echo "$VERSION_CODENAME")
say "a minimal $release in $root"
mmdebstrap --quiet --variant=minbase --include=ca-certificates,git,curl \
    --setup-hook='mkdir -p "$1/etc/apt" "$1/usr/share/keyrings" && cp -a /etc/apt/. "$1/etc/apt/" && cp -an /usr/share/keyrings/. "$1/usr/share/keyrings/"' \
    "$release" "$root" ''

# put FILE…: the same in the root, where it is there.
put() {
    local path
    for path in "$@"; do
        if [ -e "$path" ]; then
            mkdir -p "$root/$(dirname "$path")"
            cp -rL "$path" "$root/$(dirname "$path")/"
        fi
    done
}
put /etc/resolv.conf /etc/hosts /etc/pip.conf /usr/local/share/ca-certificates
chroot "$root" update-ca-certificates >/dev/null 2>&1
put /etc/ssl/certs/ca-certificates.crt "${SSL_CERT_FILE:-/etc/ssl/cert.pem}"
mkdir -p "$root/usr/local/cargo" "$root/root/.config" "$root/usr/local/rust" "$root/src" "$root/dev/shm" "$root/dev/pts"
for file in config config.toml; do
    if [ -e "${CARGO_HOME:-$HOME/.cargo}/$file" ]; then cp "${CARGO_HOME:-$HOME/.cargo}/$file" "$root/usr/local/cargo/"; fi
done
for path in ${PIP_FIND_LINKS:-}; do
    if [ -d "$path" ]; then put "$path"; fi
done
if [ -d "$HOME/.config/pip" ]; then cp -r "$HOME/.config/pip" "$root/root/.config/"; fi
for program in "${with[@]}"; do
    if path=$(command -v "$program"); then install -m 0755 "$path" "$root/usr/local/bin/"; fi
done

if [ -n "$(git status --porcelain --untracked-files=no)" ]; then say "what is not committed is not in it"; fi
git clone --quiet --depth 1 "file://$PWD" "$root/src/postern"

variables=(HOME=/root CARGO_HOME=/usr/local/cargo PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
passed='^([a-z]+_proxy|[A-Z]+_PROXY|[A-Z0-9_]*(CERT|CA_BUNDLE|CAINFO|SSL)[A-Z0-9_]*|PIP_[A-Z_]+|CARGO_(HTTP|NET|REGISTR|SOURCE|TERM)[A-Z0-9_]*|CI|TERM|NEXTEST_PROFILE)='
while IFS= read -r -d '' variable; do
    if [[ $variable =~ $passed ]]; then variables+=("$variable"); fi
done < <(env -0)

# Process 1 of the new namespace: it mounts, and collects what daemons leave behind. With its end everything ends.
enter='
    set -eu
    root=$1 toolchain=$2
    shift 2
    mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
    for node in null zero full random urandom tty; do
        touch "$root/dev/$node"
        mount --bind "/dev/$node" "$root/dev/$node"
    done
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s fd/0 "$root/dev/stdin" && ln -s fd/1 "$root/dev/stdout" && ln -s fd/2 "$root/dev/stderr"
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys" && mount -o remount,bind,ro "$root/sys"
    mount --bind "$toolchain" "$root/usr/local/rust" && mount -o remount,bind,ro "$root/usr/local/rust"
    code=0
    chroot "$root" /usr/bin/env -i "$@" || code=$?
    exit $code
'
say "in it, at commit $(git rev-parse --short HEAD): $*"
unshare --mount --pid --fork --kill-child --propagation private bash -c "$enter" enter "$root" "$toolchain" \
    "${variables[@]}" bash -c 'cd /src/postern && exec "$@"' fresh "$@" <&0 &
inside=$!
code=0
wait "$inside" || code=$?
inside=
say "exit $code; the root takes $(du -sh --one-file-system "$root" | cut -f1)"
exit "$code"
