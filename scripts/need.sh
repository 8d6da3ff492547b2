#!/usr/bin/env bash
# need.sh COMMAND PACKAGE…: makes sure that COMMAND is there. Where it is not, installs the packages through apt-get, as root or
# with a sudo that asks nothing; says what is missing where neither can be.
set -euo pipefail

command=$1
shift
if command -v "$command" >/dev/null; then exit 0; fi

say() { printf '%s\n' "$*" >&2; }
as=()
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        say "missing: $command. Install $*, or run this once as root."
        exit 1
    fi
    as=(sudo -n)
fi
if ! command -v apt-get >/dev/null; then
    say "missing: $command, and there is no apt-get to install $* with."
    exit 1
fi
say "installing: $*"
"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >&2
