#!/usr/bin/env bash
# Brings what a build needs, where it is missing, builds postern and runs its demo. Arguments go to `postern demo`.
# Works as root, as a user with sudo, and as a user without it when everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/cargo.sh
exec cargo run --locked --bin postern -- demo "$@"
