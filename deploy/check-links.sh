#!/usr/bin/env bash
# Says which relative links in the committed Markdown lead nowhere. Headings (#...) and the web are not followed.
set -euo pipefail
cd "$(dirname "$0")/.."

broken=0
while IFS=: read -r page link; do
    target=${link%%#*}
    case $link in
        http://* | https://* | mailto:* | "#"*) continue ;;
    esac
    [ -e "$(dirname "$page")/$target" ] && continue
    echo "$page: nothing stands at \`$link\`"
    broken=1
done < <(git ls-files -co --exclude-standard '*.md' | xargs grep -oHE '\]\([^) ]+\)' | sed -E 's/:\]\((.*)\)$/:\1/')
exit $broken
