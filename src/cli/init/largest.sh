#!/usr/bin/env bash
# Inputs come as arguments, in the order of the registry: FOLDER TOP
# Outputs go to standard output as name=value, everything for people to standard error.
set -euo pipefail

list=$(find "$1" -xdev -type f -printf '%s %p\n' | sort -nr)
awk '{ bytes += $1 } END { printf "files=%d\nbytes=%.0f\n", NR, bytes }' < <(printf '%s' "${list:+$list$'\n'}")
if [[ -n $list ]]; then
    first=${list%%$'\n'*}
    printf 'largest=%s\n' "${first#* }"
fi
sed -n "1,${2}p" <<<"$list" >&2
