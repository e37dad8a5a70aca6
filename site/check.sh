#!/usr/bin/env bash
# Every link of the built pages that stays within them leads to a file, and to a heading of it. So does every picture.
set -euo pipefail
cd "${1:?usage: site/check.sh FOLDER}"
links=0 broken=0
while IFS= read -r page; do
    while IFS= read -r link; do
        case $link in *://* | mailto:* | '' | '#') continue ;; esac
        path=${link%%#*} fragment=
        [[ $link != *'#'* ]] || fragment=${link#*#}
        target=$page
        [ -z "$path" ] || target=$(dirname "$page")/$path
        links=$((links + 1))
        if [ ! -e "$target" ] || { [ -n "$fragment" ] && ! grep -q "id=\"$fragment\"" "$target"; }; then
            echo "$page: $link leads nowhere" >&2
            broken=$((broken + 1))
        fi
    done < <(grep -oE '<a [^>]*href="[^"]*"|<img [^>]*src="[^"]*"' "$page" | sed -E 's/.*(href|src)="//; s/"$//' | sort -u)
done < <(find . -name '*.html' ! -name toc.html)
echo "$links links, $broken broken"
[ "$links" -gt 100 ] && [ "$broken" -eq 0 ]
