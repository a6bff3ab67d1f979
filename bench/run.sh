#!/usr/bin/env bash
# `make bench`: builds everything in one profile and measures. See bench/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

deploy/packages.sh bench

export PROFILE=${PROFILE:-release}
target=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
echo "Building in profile $PROFILE. The first time this takes about 8 minutes on 2 cores."
cargo build --profile "$PROFILE" --locked -p cedargate -p cedargate-inventory -p cedargate-demo -p cedargate-bench
exec "$target/$PROFILE/cedargate-bench" --directory "$target/bench" "$@"
