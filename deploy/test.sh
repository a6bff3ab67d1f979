#!/usr/bin/env bash
# Everything that must hold before a change is handed in: `make test`. Stops at the first step that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
deploy/packages.sh test

log=$(mktemp)
trap 'rm -f "$log"' EXIT
timings=()

# Runs one step and notes how long it took.
step() {
    local name=$1 began=$SECONDS
    shift
    printf '\n==> %s: %s\n' "$name" "$*"
    if ! "$@" 2>&1 | tee -a "$log"; then
        printf '\nFailed: %s (after %s s). To run it alone: %s\n' "$name" $((SECONDS - began)) "$*" >&2
        exit 1
    fi
    timings+=("$(printf '%5s s  %s' $((SECONDS - began)) "$name")")
}

step "formatting" cargo fmt --all --check
step "lints" cargo clippy --workspace --all-targets --locked -- -D warnings
# The end-to-end tests start the real binaries, so these are built before any test runs.
step "build" cargo build --workspace --all-targets --locked
step "tests" cargo test --workspace --locked --no-fail-fast
step "policies" cargo run --quiet --locked -p cedargate -- policy test policies policy-tests/cases

printf '\n==> All passed\n'
printf '%s\n' "${timings[@]}"

# A test that cannot run here says `skipped: NAME: WHY` on a line of its own; Rust counts those it was told to ignore.
ignored=$(sed -n 's/^test result: .* \([0-9]*\) ignored.*/\1/p' "$log" | awk '{ sum += $1 } END { print sum + 0 }')
skipped=$(grep -ac '^skipped: ' "$log" || true)
printf '\n%s tests skipped, %s ignored\n' "$skipped" "$ignored"
grep -a '^skipped: ' "$log" | sort -u | sed 's/^skipped: /  /' || true
grep -a '^test .* \.\.\. ignored' "$log" | sed 's/^test /  /' || true
