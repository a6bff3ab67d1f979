#!/usr/bin/env bash
# Everything that must hold before a change is handed in: `make test`. Stops at the first step that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
deploy/packages.sh test
# It is there now: a test that does not find it has failed.
export CEDARGATE_REQUIRE_POSTGRES=1

# As the image has it: two verifiers of SAML messages, of which the second one needs libraries of the system.
features=(--features cedargate/saml-second-verifier)

log=$(mktemp)
trap 'rm -f "$log"' EXIT
timings=()

# Runs one step, through a filter for what it prints, and notes how long it took.
step() {
    local name=$1 filter=$2 began=$SECONDS
    shift 2
    printf '\n==> %s: %s\n' "$name" "$*"
    if ! "$@" 2>&1 | "$filter"; then
        printf '\nFailed: %s (after %s s). To run it alone: %s\n' "$name" $((SECONDS - began)) "$*" >&2
        exit 1
    fi
    timings+=("$(printf '%6s s  %s' $((SECONDS - began)) "$name")")
}

# Keeps everything for the count below, and shows it without what passing tests print.
without_passing_output() {
    tee "$log" | awk '/^successes:$/ { hidden = 1 } /^(failures:|test result:)/ { hidden = 0 } !hidden'
}

step "formatting" cat cargo fmt --all --check
step "links" cat deploy/check-links.sh
step "migrations" cat deploy/lint-sql.sh
step "lints" cat cargo clippy --workspace --all-targets --locked "${features[@]}" -- -D warnings
# The end-to-end tests start the real programs, so these are built before any test runs.
step "build" cat cargo build --workspace --all-targets --locked "${features[@]}"
step "tests" without_passing_output cargo test --workspace --locked "${features[@]}" --no-fail-fast -- --show-output
# The program that was built above: `cargo run -p` would build it anew, for a package alone has other features.
target=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
step "policies" cat "$target/debug/cedargate" policy test policies policy-tests/cases
step "properties" cat "$target/debug/cedargate" policy prove policies
step "policy lints" cat "$target/debug/cedargate" policy lint policies

printf '\n==> All passed\n\n'
printf '%s\n' "${timings[@]}"

# What did not run, by name: a test that cannot run here prints `skipped: WHY`; others are marked as ignored.
printf '\n'
awk '
    /^---- .* stdout ----$/     { name = $2 }
    /^skipped: /                { sub(/^skipped: /, ""); skipped[++count] = name ": " $0; returned++ }
    /^test .* \.\.\. ignored/   { sub(/^test /, ""); skipped[++count] = $0 }
    /^test result:/             { for (i = 2; i < NF; i++) if ($(i + 1) == "passed;") passed += $i }
    END {
        # A test that says that it is skipped returns, and its runner takes that for a pass.
        printf "%d tests passed, %d skipped\n", passed - returned, count
        for (i = 1; i <= count; i++) print "  " skipped[i]
    }
' "$log"
