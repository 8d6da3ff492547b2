#!/usr/bin/env bash
# Installs what the tests need, where it is missing, and runs them all. Arguments go to the test runner.
#
# Needed: cargo and rustc (1.90 or newer) and a C compiler, which builds the embedded SQLite. Used where present:
# cargo-nextest (a process for each test), else cargo's own runner.
# Works as root, as a user with sudo, and as a user without it when everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

# apt_install PACKAGE…: through apt-get, as root or with a sudo that asks nothing.
apt_install() {
    local as=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            say "missing: $*. Install it, or run this once as root."
            exit 1
        fi
        as=(sudo -n)
    fi
    if ! command -v apt-get >/dev/null; then
        say "missing: $*, and there is no apt-get to install it with."
        exit 1
    fi
    say "installing: $*"
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >&2
}

if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
    PATH="$HOME/.cargo/bin:$PATH"
fi
if ! command -v cargo >/dev/null; then
    say "missing: cargo. Install Rust 1.90 or newer: https://rustup.rs"
    exit 1
fi
if ! command -v cc >/dev/null && ! command -v gcc >/dev/null; then
    apt_install gcc libc6-dev
fi

if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked "$@"
else
    cargo test --locked --bins --lib --tests "$@"
fi
# Examples in the documentation of the library; nextest does not run them.
cargo test --locked --doc
