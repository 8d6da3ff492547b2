# Sourced by the scripts that build, from the root of the repository: finds cargo, brings what a build needs, and fetches the crates.
if ! command -v cargo >/dev/null && [ -x "${HOME:-}/.cargo/bin/cargo" ]; then
    PATH="$HOME/.cargo/bin:$PATH"
fi
if ! command -v cargo >/dev/null; then
    echo "missing: cargo. Install Rust 1.90 or newer: https://rustup.rs" >&2
    exit 1
fi
bash scripts/need.sh build
if ! cargo fetch --locked --target "$(rustc -vV | sed -n 's/^host: //p')"; then
    echo "missing: crates that Cargo.lock names, and they could not be fetched; is there a network?" >&2
    exit 1
fi
