#!/usr/bin/env python3
"""Inputs come as arguments, in the order of the registry: FILE LONGER_THAN
Outputs may also be one JSON object on standard output."""

import collections
import json
import re
import sys

path, longer_than = sys.argv[1], int(sys.argv[2])
with open(path, encoding="utf-8", errors="replace") as text:
    words = re.findall(r"\w+", text.read().lower())
most = collections.Counter(word for word in words if len(word) > longer_than)
print(json.dumps({"words": len(words), "most": dict(most.most_common(5))}))
