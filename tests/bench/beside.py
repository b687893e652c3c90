"""Queries at full speed, for others to be measured beside: a process of its own.

`python -m tests.bench.beside http|zmq PORT SQL CONNECTIONS`: says {} when it begins; when its
standard input ends it stops and prints {"answered": .., "took_s": ..}.
"""

from __future__ import annotations

import json
import sys
import threading

from tests.bench.bodies import queries
from tests.bench.load import rate


def main() -> None:
    """Ask until the standard input ends."""
    kind, port, sql, connections = sys.argv[1:]
    stopping = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        stopping.set()

    threading.Thread(target=wait, daemon=True).start()
    print("{}", flush=True)
    done = rate(kind, int(port), queries(sql, kind), int(connections), stopping.is_set)
    print(json.dumps({"answered": done.answered, "took_s": done.took_s}))


if __name__ == "__main__":
    main()
