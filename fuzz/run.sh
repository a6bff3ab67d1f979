#!/usr/bin/env bash
# Runs fuzz targets under libFuzzer: `TARGET=head SECONDS=60 make fuzz`; without TARGET each of them for so long.
#
# Only this workspace's own crates are instrumented, so that nothing of others is built a second time.
set -euo pipefail
cd "$(dirname "$0")/.."
# bash keeps a clock in this variable, which begins at what the environment says.
seconds=$SECONDS
((seconds > 0)) || seconds=60
targets=${TARGET:-$(ls fuzz/corpus)}

RUSTC_WORKSPACE_WRAPPER="$PWD/fuzz/instrument.sh" \
    cargo build -p cedargate-fuzz -p cedargate -p cedargate-policy --features cedargate-fuzz/libfuzzer --bin 'fuzz-*' --locked
directory=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')

failed=0
for target in $targets; do
    # New inputs are kept beside the build; what breaks a rule is written to fuzz/artifacts, and belongs into the corpus
    # once it is mended, under a name that says what it broke.
    found=$directory/fuzz/$target
    mkdir -p "$found" "fuzz/artifacts"
    echo "==> $target, $seconds s"
    "$directory/debug/fuzz-$target" "$found" "fuzz/corpus/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
        -max_len=65536 -artifact_prefix="fuzz/artifacts/$target-" -print_final_stats=1 2>"$found.log" || failed=1
    grep -E 'stat::number_of_executed_units|stat::peak_rss_mb|panicked at|ERROR: libFuzzer|SUMMARY' "$found.log" || tail -5 "$found.log"
done
exit $failed
