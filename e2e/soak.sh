#!/usr/bin/env bash
# Ten minutes of load, bad clients, dying services, reloads and key rotations: `SECONDS=60 make soak` for less.
# PROFILE=release takes the optimised programs.
set -euo pipefail
cd "$(dirname "$0")/.."
# bash keeps a clock in this variable, which begins at what the environment says.
seconds=$SECONDS
((seconds > 0)) || seconds=600
profile=()
[ "${PROFILE:-}" = release ] && profile=(--release)
# All of the workspace each time, as `make test` does: a part of it has other features, for which third-party crates are built anew.
cargo build "${profile[@]}" --workspace --all-targets --locked
CEDARGATE_SOAK_SECONDS=$seconds cargo test "${profile[@]}" --workspace --test soak --locked -- --nocapture
