#!/usr/bin/env bash
# usage: [AUTHOR=NAME] changes.sh REPOSITORY [--since WHEN] [--merges]
set -euo pipefail

cd -- "$1"
shift
since='7 days ago' merges=(--no-merges)
while (($#)); do
    case $1 in
        --since) since=$2 && shift 2 ;;
        --merges) merges=() && shift ;;
        *) echo "unknown option: $1" >&2 && exit 2 ;;
    esac
done
# Another's repository may say which programs git is to start.
export GIT_CONFIG_NOSYSTEM=1 GIT_OPTIONAL_LOCKS=0 GIT_PAGER=cat
log() {
    git -c core.fsmonitor=false log --no-ext-diff "${merges[@]}" --since="$since" ${AUTHOR:+--author="$AUTHOR"} "$@"
}
log --format='%h %an: %s' | sed -n '1,20p' >&2
echo "commits=$(log --format=%h | wc -l)"
echo "authors=$(log --format=%ae | sort -u | wc -l)"
echo "files=$(log --format= --name-only | sed '/^$/d' | sort -u | wc -l)"
