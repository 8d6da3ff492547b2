#!/usr/bin/env bash
# nightly.sh [OPTION…] [SECTION…]: what takes longer than CI. All sections run, also after one that fails; without names, all there are:
#
#   fuzz         each target of fuzz/, from its seeds; what is found stays in fuzz/corpus and fuzz/artifacts
#   properties   the property tests, with more cases
#   schemathesis more requests to the identity API, made of its own description, from another seed each day
#   judge        verdicts beside those of the independent judge, a million of them
#   narrowings   a million of narrowed tokens: beside the judge, and beside what their users may without them; optimized
#   openwisp     every request to openwisp-users' building blocks and to all of OpenWISP's modules, guarded by themselves and by the gate
#   targets      every target of up to seven bytes behind the slash, as readers behind a gate read it
#   mutants      faults put into the decision, targets, hygiene of headers and the cache of facts, each to be noticed by a test (tests/mutants)
#   budgets      instructions per request, and throughput beside HAProxy and nginx
#   fresh        the two commands of the README on a machine that has nothing; as root
#
#   --fuzz SECONDS   for each target [600]
#   --cases N        of each property [20000]
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=600 cases=20000
while [ $# -gt 0 ]; do
    case $1 in
        --fuzz) seconds=$2; shift 2 ;;
        --cases) cases=$2; shift 2 ;;
        -*) echo "nightly.sh knows no $1" >&2; exit 2 ;;
        *) break ;;
    esac
done
[ $# -gt 0 ] || set -- fuzz properties schemathesis judge narrowings openwisp targets mutants budgets fresh
. scripts/cargo.sh

fuzz() {
    bash scripts/need.sh fuzz
    cargo fuzz --version >/dev/null 2>&1 || cargo install --quiet --debug --locked cargo-fuzz
    local target failed=0
    for target in $(cargo fuzz list); do
        mkdir -p "fuzz/corpus/$target" "fuzz/seeds/$target"
        echo "fuzzing $target for $seconds s"
        cargo fuzz run -s none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- -max_total_time="$seconds" -verbosity=0 || failed=1
    done
    return "$failed"
}

properties() {
    # Where a test says itself how many cases it takes, that stands.
    PROPTEST_CASES=$cases cargo test --locked --lib
    PROPTEST_CASES=$cases cargo test --locked --test it strict::
}

narrowings() {
    POSTERN_NARROWINGS=1000000 cargo test --release --locked --lib scopes::
    cargo build --release --locked
    python3 -B tests/judge/run.py target/release/postern --cases 1000000 --live 0 --narrowed --seed "$(date +%j)"
}

schemathesis() {
    SCHEMATHESIS_EXAMPLES=100 SCHEMATHESIS_SEED=$(date +%j) cargo test --locked --test it rest::schemathesis
}

judge() {
    cargo build --locked
    python3 -B tests/judge/run.py target/debug/postern --cases 1000000 --live 100000 --seed "$(date +%j)"
}

openwisp() {
    OPENWISP_ALL=1 cargo test --locked --test it openwisp::a_naked
    OPENWISP_ALL=1 cargo test --locked --test it openwisp_guarded
}

targets() {
    cargo bench --locked --bench targets -- --length 7
}

mutants() {
    # All faults are in one build, and none of them costs another one. What whole requests alone would notice is asked of them last.
    cargo run --quiet --locked --manifest-path tests/mutants/Cargo.toml -- \
        --filter decision:: --filter request_target --filter fact_cache --filter strip --filter headers --filter normalized --skip races::three \
        --then 'cargo test --locked --test it -- attacks:: gateway:: strict:: answers::' \
        $(git ls-files 'src/decision/*.rs' 'src/request_target/*.rs' 'src/fact_cache/*.rs' src/normalized_name.rs src/policy/strip.rs \
            src/gateway/headers.rs | grep -v -e '/tests' -e /races)
}

budgets() {
    bash scripts/need.sh budgets
    cargo bench --locked --bench instructions
    ./benches/peers.sh --quick
}

fresh() {
    ./scripts/fresh.sh
}

failed=()
for section in "$@"; do
    case $section in
        fuzz | properties | schemathesis | judge | narrowings | openwisp | targets | mutants | budgets | fresh) ;;
        *) echo "nightly.sh knows no section $section" >&2; exit 2 ;;
    esac
    printf '\n=== %s (%s s)\n' "$section" "$SECONDS"
    # Not in a condition: bash would go on behind a command that failed.
    set +e
    (set -e; "$section")
    code=$?
    set -e
    if [ "$code" -ne 0 ]; then failed+=("$section"); fi
done
if [ ${#failed[@]} -gt 0 ]; then
    printf '\nFAILED: %s (%s s)\n' "${failed[*]}" "$SECONDS"
    exit 1
fi
printf '\nok: %s (%s s)\n' "$*" "$SECONDS"
