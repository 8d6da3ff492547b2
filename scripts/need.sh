#!/usr/bin/env bash
# need.sh SET…: brings what is missing of these sets through apt-get, as root or with a sudo that asks nothing. Where neither can be, it
# says what to install. This table is the only list of what building, testing and measuring need, and of Debian's packages with it.
#
#   NAME             a command; Debian keeps some in /usr/sbin, which is not in everybody's path
#   /PATH            a file, or a pattern of files
#   python3:MODULE   a module of Python
set -euo pipefail

table='
build     cc                                         gcc libc6-dev
build     cmake                                      cmake
build     make                                       make
python    python3:ensurepip                          python3 python3-venv
postgres  /usr/lib/postgresql/*/bin/initdb           postgresql
modules   /usr/lib/postgresql/*/bin/initdb           postgresql
modules   /usr/share/postgresql/*/extension/postgis.control postgresql-postgis
modules   influxd                                    influxdb
modules   /usr/lib/*/libpangoft2-1.0.so.0            libpangoft2-1.0-0
modules   /usr/lib/*/libharfbuzz-subset.so.0         libharfbuzz-subset0
modules   python3:ensurepip                          python3 python3-venv
redis     redis-server                               redis-server
redis     redis-cli                                  redis-tools
peers     pgbouncer                                  pgbouncer
peers     mariadbd                                   mariadb-server
peers     faketime                                   faketime
peers     curl                                       curl
peers     h2load                                     nghttp2-client
peers     nghttpd                                    nghttp2-server
peers     openssl                                    openssl
peers     script                                     bsdutils
peers     node                                       nodejs
peers     go                                         golang-go
peers     /usr/lib/nginx/modules/ngx_stream_module.so nginx libnginx-mod-stream
peers     haproxy                                    haproxy
peers     chromium                                   chromium
load      wrk                                        wrk
load      nginx                                      nginx-light
load      haproxy                                    haproxy
load      h2load                                     nghttp2-client
load      openssl                                    openssl
load      taskset                                    util-linux
load      valgrind                                   valgrind
perf      perf                                       linux-perf
budgets   valgrind                                   valgrind
fuzz      c++                                        g++
saml      xmlsec1                                    xmlsec1
root      mmdebstrap                                 mmdebstrap
image     debootstrap                                debootstrap
'

say() { printf '%s\n' "$*" >&2; }
is_there() {
    case $1 in
        /*) compgen -G "$1" >/dev/null ;;
        python3:*) python3 -c "import ${1#*:}" 2>/dev/null ;;
        *) PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null ;;
    esac
}

missing=() packages=()
for set in "$@"; do
    known=no
    while read -r of what names; do
        if [ "$of" != "$set" ]; then continue; fi
        known=yes
        if is_there "$what"; then continue; fi
        read -ra names <<<"$names"
        missing+=("$what")
        packages+=("${names[@]}")
    done <<<"$table"
    if [ "$known" = no ]; then
        say "need.sh knows no set $set"
        exit 2
    fi
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

install="apt-get install --no-install-recommends ${packages[*]}"
if ! command -v apt-get >/dev/null; then
    say "missing: ${missing[*]}. There is no apt-get to install them with; Debian has them in: ${packages[*]}"
    exit 1
fi
as=()
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        say "missing: ${missing[*]}. As root, once: $install"
        exit 1
    fi
    as=(sudo -n)
fi
say "installing, for ${missing[*]}: ${packages[*]}"
# Debian starts a server when it is installed, and not on loopback alone: not here.
no_servers=/usr/sbin/policy-rc.d
if [ ! -e $no_servers ]; then
    trap '"${as[@]}" rm -f $no_servers' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as[@]}" tee $no_servers >/dev/null
    "${as[@]}" chmod +x $no_servers
fi
"${as[@]}" apt-get update -qq >/dev/null || true # An old list may be good enough.
if ! "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}" >/dev/null; then
    say "missing still: ${missing[*]}. apt-get could not install them; is there a network? By hand: $install"
    exit 1
fi
