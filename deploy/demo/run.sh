#!/usr/bin/env bash
# `make demo`: installs what is missing, builds in release, and hands over to cedargate-demo, which does the rest.
set -euo pipefail
cd "$(dirname "$0")/../.."

deploy/packages.sh demo

# Cargo runs in a process group of its own, so that Ctrl-C and SIGTERM end the compilers too, not only cargo.
build() {
    set -m
    cargo build --release --locked -p cedargate -p cedargate-inventory -p cedargate-orders -p cedargate-demo &
    local group=$!
    set +m
    trap 'trap - INT TERM; kill -TERM -- "-$group" 2>/dev/null; wait "$group"; exit 130' INT TERM
    wait "$group"
    trap - INT TERM
}

target=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
if [ ! -x "$target/release/cedargate-demo" ]; then
    echo "Building in release. The first time this takes about 8 minutes on 2 cores."
fi
build

# The demo lives no longer than what started it, even if that is killed: setpriv asks the kernel for a SIGTERM then.
exec setpriv --pdeathsig TERM -- "$target/release/cedargate-demo" --policies policies --directory var/demo
