#!/usr/bin/env python3
"""usage: wait_for_port.py PORT [HOST] [SECONDS]

Exits with 75 when nobody answers: that is how a script says that trying again later may help.
"""

import json
import socket
import sys
import time

PAUSE_SECONDS = 0.1
TRY_LATER = 75


def main(port, host="127.0.0.1", seconds="10"):
    began = time.monotonic()
    end = began + float(seconds)
    while True:
        left = end - time.monotonic()
        try:
            with socket.create_connection((host, int(port)), timeout=max(left, PAUSE_SECONDS)):
                json.dump({"waited_seconds": round(time.monotonic() - began, 3)}, sys.stdout)
                return 0
        except OSError as e:
            if left <= PAUSE_SECONDS:
                print("retry-after: 2", file=sys.stderr)
                print(f"nobody answers at {host}:{port} within {seconds} s: {e}", file=sys.stderr)
                return TRY_LATER
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
