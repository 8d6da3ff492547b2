# Thin aliases: `just` lists them. Nothing here is needed to build or test.

_default:
    @just --list

# the demo: everything in one process
demo:
    ./scripts/demo.sh

# the tests of the library: seconds, and nothing to install
test *ARGS:
    ./scripts/test.sh --fast {{ARGS}}

# install what all tests need, and run them
test-all *ARGS:
    ./scripts/test.sh {{ARGS}}

# what CI runs
ci:
    CI=true bash .ci/run

# what a stranger does, on a machine that has nothing (as root)
fresh *ARGS:
    ./scripts/fresh.sh {{ARGS}}

# what takes longer than CI
nightly *ARGS:
    ./scripts/nightly.sh {{ARGS}}

# format and lint
lint:
    cargo fmt
    cargo clippy --locked --all-targets -- -D warnings

# the documentation of the library
doc:
    cargo doc --no-deps --open

# run the stages of the Dockerfile by hand, without a container engine (as root)
image:
    ./deploy/verify-image.sh
