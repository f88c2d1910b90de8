#!/usr/bin/env python3
"""usage: summarise_log.py FILE [GROUP_BY] [TIME_FIELD] [MESSAGE_FIELD]"""

import collections
import json
import sys


def main(path, group_by="level", time_field="timestamp", message_field="message"):
    counts, said = collections.Counter(), collections.Counter()
    entries = broken = 0
    first = last = None
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            if not isinstance(entry, dict):
                broken += 1
                continue
            entries += 1
            counts[word(entry.get(group_by))] += 1
            if message_field in entry:
                said[word(entry[message_field])[:200]] += 1
            time = entry.get(time_field)
            # Times of one log are written alike, and such times sort as text.
            if isinstance(time, str):
                first = time if first is None else min(first, time)
                last = time if last is None else max(last, time)
    summary = {
        "entries": entries,
        "broken_lines": broken,
        "counts": dict(counts.most_common(50)),
        "said_most": [{"message": m, "count": n} for m, n in said.most_common(5)],
    }
    if first is not None:
        summary |= {"first": first, "last": last}
    json.dump(summary, sys.stdout, indent=2)
    print()


def word(value):
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    main(*sys.argv[1:])
