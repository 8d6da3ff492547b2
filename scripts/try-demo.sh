#!/usr/bin/env bash
# Runs the demo as somebody would who reads the README: starts it, sends the requests that it prints, compares the answers with what is
# printed above each, and ends it with Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."

said=$(mktemp)
answers=$(mktemp)
set -m # A group of processes of its own, which Ctrl-C goes to.
./scripts/demo.sh >"$said" &
demo=$!
trap 'kill -KILL -- "-$demo" 2>/dev/null || true; rm -f "$said" "$answers"' EXIT
until grep -q 'Ctrl-C ends the demo' "$said"; do
    if ! kill -0 "$demo" 2>/dev/null; then
        echo "FAILED: the demo did not start" >&2
        exit 1
    fi
    sleep 0.2
done

sed -n '/^In another terminal:/,/Ctrl-C ends/p' "$said" | grep -E '^  (ANN=|BOB=|curl )' >"$answers.todo"
{ . "$answers.todo"; } >"$answers" 2>/dev/null
rm "$answers.todo"
fail() {
    sed '/^# HELP/,$d' "$answers" >&2
    echo "FAILED: $*" >&2
    exit 1
}
# An answer ends without a line's end.
got=$(grep -o 'HTTP/1\.1 [0-9]*' "$answers" | cut -d' ' -f2 | xargs)
[ "$got" = '200 403 403 401 200' ] || fail "the statuses are $got"
for text in org_foreign org_level_missing credentials_invalid 'x-postern-role: member' postern_requests_total; do
    grep -q -- "$text" "$answers" || fail "no $text in the answers"
done
# Ann's own, and not the one that Bob claims.
[ "$(grep -c -i 'x.postern.role: owner' "$answers")" -eq 1 ] || fail "a spoofed header reached the service"

kill -INT -- "-$demo"
code=0
wait "$demo" || code=$?
if [ "$code" -ne 0 ]; then
    echo "FAILED: Ctrl-C ended the demo with $code" >&2
    exit 1
fi
echo "ok: the demo: $got, and Ctrl-C ends it"
