#!/usr/bin/env bash
# test.sh [--fast] [ARGUMENT…]: installs what the tests need, where it is missing, and runs them all. Arguments go to the test runner.
# --fast: the tests of the library alone, which need nothing but Rust.
#
# The tests run PostgreSQL, PgBouncer, MariaDB and Redis of their own, as the user postgres, or as their own user where they are not root.
# scripts/need.sh has the list of what is installed; scripts/tools.sh brings what deploy/ is judged by, scripts/python.sh,
# scripts/peers.sh, scripts/openwisp.sh and scripts/openwisp-modules.sh other people's software in Python, and Envoy, scripts/node.sh a provider of logins and a verifier of passkeys in Node, scripts/saml.sh a SAML provider and a bridge to it, all below target/. Used where present:
# cargo-nextest (a process for each test), else cargo's own runner.
# Works as root, as a user with sudo, and as a user without it when everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = --fast ]; then
    shift
    . scripts/cargo.sh
    exec cargo test --locked --lib "$@"
fi

bash scripts/need.sh build python postgres modules redis peers saml
. scripts/cargo.sh
bash scripts/python.sh >/dev/null
bash scripts/peers.sh >/dev/null
bash scripts/openwisp.sh >/dev/null
bash scripts/openwisp-modules.sh >/dev/null
bash scripts/node.sh >/dev/null
bash scripts/saml.sh >/dev/null
bash scripts/tools.sh

# Examples in the documentation of the library; nextest does not run them.
cargo test --locked --doc
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked "$@"
else
    cargo test --locked --bins --lib --tests "$@"
fi
