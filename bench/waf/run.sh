#!/usr/bin/env bash
# `make bench-waf`: measures the engine against libmodsecurity. RULES= names a rules folder; Debian's otherwise.
# INSTRUCTIONS=1 also counts instructions under callgrind, which takes some minutes. CORPUS= names a tree of go-ftw cases:
# then it says which of them, and of a sample of ordinary requests, only one of the engines blocks.
set -euo pipefail
cd "$(dirname "$0")/../.."

deploy/packages.sh bench-waf
rules=${RULES:-/usr/share/modsecurity-crs/rules}
target=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
cargo build --release --locked -p cedargate-waf-bench --features libmodsecurity
program=$target/release/cedargate-waf-bench
"$program" --rules "$rules" all --rounds "${ROUNDS:-15}" --output "$target/bench/waf.jsonl"

# Two counts, so that loading the rules cancels out.
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" --rules "$rules" once "$1" "$2" "$3" 2>&1 |
        sed -n 's/.*Collected : //p'
}
if [ -n "${INSTRUCTIONS:-}" ]; then
    for case in get sqli form-1k json-1k json-10k; do
        for engine in cedargate libmodsecurity; do
            few=$(count "$engine" "$case" 5) many=$(count "$engine" "$case" 15)
            row="{\"engine\":\"$engine\",\"case\":\"$case\",\"instructions\":$(((many - few) / 10))}"
            echo "$row" | tee -a "$target/bench/waf.jsonl"
        done
    done
fi

if [ -n "${CORPUS:-}" ]; then
    "$program" --rules "$rules" compare --corpus "$CORPUS" | tee "$target/bench/waf-decisions.txt"
fi
