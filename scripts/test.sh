#!/usr/bin/env bash
# Installs what the tests need, where it is missing, and runs them all. Arguments go to the test runner.
#
# Needed: cargo and rustc (1.90 or newer), a C compiler, which builds the embedded SQLite, redis-server, PostgreSQL's server and PgBouncer, of which the
# tests run private ones as the user postgres, or as their own where they are not root. Used where present:
# cargo-nextest (a process for each test), else cargo's own runner. scripts/tools.sh brings what deploy/ is judged by, scripts/peers.sh
# clients in Python and Envoy.
# Works as root, as a user with sudo, and as a user without it when everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo >/dev/null && [ -x "${HOME:-}/.cargo/bin/cargo" ]; then
    PATH="$HOME/.cargo/bin:$PATH"
fi
if ! command -v cargo >/dev/null; then
    echo "missing: cargo. Install Rust 1.90 or newer: https://rustup.rs" >&2
    exit 1
fi
bash scripts/need.sh cc gcc libc6-dev
bash scripts/python.sh >/dev/null
# The server's programs are not in the path where Debian packages them.
if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
    bash scripts/need.sh initdb postgresql
fi
bash scripts/need.sh redis-server redis-server
bash scripts/need.sh redis-cli redis-tools
# Debian's place for it is not in everybody's path.
if [ ! -x /usr/sbin/pgbouncer ]; then
    bash scripts/need.sh pgbouncer pgbouncer
fi
bash scripts/need.sh faketime faketime
# Other people's clients: HTTP/2, TLS.
bash scripts/need.sh curl curl
bash scripts/need.sh h2load nghttp2-client
bash scripts/need.sh nghttpd nghttp2-server
bash scripts/need.sh openssl openssl
bash scripts/need.sh script bsdutils
# Other people's clients and proxies, on either side.
bash scripts/need.sh node nodejs
if [ ! -e /usr/lib/nginx/modules/ngx_stream_module.so ]; then
    bash scripts/need.sh ngx_stream_module nginx libnginx-mod-stream
fi
if [ ! -x /usr/sbin/haproxy ]; then
    bash scripts/need.sh haproxy haproxy
fi
bash scripts/need.sh chromium chromium
bash scripts/peers.sh >/dev/null
bash scripts/tools.sh

if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked "$@"
else
    cargo test --locked --bins --lib --tests "$@"
fi
# Examples in the documentation of the library; nextest does not run them.
cargo test --locked --doc
