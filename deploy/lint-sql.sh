#!/usr/bin/env bash
# Lints every migration, each in its engine's dialect: `.sqlfluff` says by which rules. Where sqlfluff is missing it says so.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v sqlfluff >/dev/null; then
    echo "skipped: sqlfluff is missing (Debian's package, or \`pip install sqlfluff\`)"
    exit 0
fi
# It does not know SQLite's STRICT, so what it cannot parse there is left to the tests, which run it.
for dialect in "postgres" "sqlite --ignore parsing"; do
    read -ra options <<<"$dialect"
    git ls-files -z "*/${options[0]}/*.sql" | xargs -0 sqlfluff lint --nocolor --processes 2 --dialect "${options[@]}"
done
