#!/usr/bin/env bash
# usage: count-lines.sh FOLDER [lines|files|name] [TOP]
# A table by language on stderr; the sums, as name=value, on stdout.
set -euo pipefail

folder=$1 order=${2:-lines} top=${3:-10}
if [[ ! -d $folder ]]; then
    echo "$folder is no folder" >&2
    exit 1
fi
case $order in
    files) key=(-k2,2nr -k1,1) ;;
    name) key=(-k1,1) ;;
    *) key=(-k3,3nr -k1,1) ;;
esac

# What was built, fetched or belongs to git is not source.
skip=(.git target node_modules vendor dist build __pycache__ .venv)
prune=()
for name in "${skip[@]}"; do prune+=(-name "$name" -o); done

by_language() {
    find "$folder" -mindepth 1 -type d \( "${prune[@]}" -false \) -prune -o -type f -print0 |
        xargs -0 -r awk '
            BEGIN {
                names = "sh:Shell bash:Shell py:Python js:JavaScript mjs:JavaScript cjs:JavaScript ts:TypeScript"
                names = names " tsx:TypeScript jsx:JavaScript rs:Rust go:Go c:C h:C cc:C++ cpp:C++ hpp:C++ java:Java"
                names = names " rb:Ruby php:PHP swift:Swift kt:Kotlin cs:C# lua:Lua sql:SQL html:HTML css:CSS"
                names = names " md:Markdown toml:TOML yaml:YAML yml:YAML json:JSON"
                n = split(names, pairs, " ")
                for (i = 1; i <= n; i++) { split(pairs[i], p, ":"); language[p[1]] = p[2] }
                # Each file is told once, even an empty one.
                for (i = 1; i < ARGC; i++) {
                    extension = ARGV[i]
                    sub(/.*\//, "", extension)
                    if (extension !~ /.\./) { delete ARGV[i]; continue }
                    sub(/.*\./, "", extension)
                    if (!(extension in language)) { delete ARGV[i]; continue }
                    print language[extension], 1, 0
                    of[ARGV[i]] = language[extension]
                    any = 1
                }
                if (!any) exit
            }
            { lines[of[FILENAME]]++ }
            END { for (l in lines) print l, 0, lines[l] }' |
        awk '{ files[$1] += $2; lines[$1] += $3 } END { for (l in files) print l, files[l], lines[l] }'
}

table=$(by_language)
{
    printf '%-12s %8s %10s\n' language files lines
    sort "${key[@]}" <<<"$table" | sed '/^$/d' | head -n "$top" | awk '{ printf "%-12s %8d %10d\n", $1, $2, $3 }'
} >&2
awk '{ f += $2; l += $3 } END { printf "files=%d\nlines=%d\n", f, l }' <<<"$table"
if [[ -n $table ]]; then
    echo "main_language=$(sort -k3,3nr -k1,1 <<<"$table" | { read -r first _; echo "$first"; })"
fi
