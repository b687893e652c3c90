"""How long it takes to read what is to be published: `python -m tests.bench.readers [ROWS]`.

ROWS x 8 (300,000 by default, 19 MB of CSV) as CSV, TSV and NDJSON, and `csv.reader` alone over the
same CSV, as a measure of the machine; the peak of memory is that of the whole process.
"""

from __future__ import annotations

import csv
import io
import resource
import sys
import time
from collections.abc import Callable

from qasino_cli.readers import Wanted, read_input
from qasino_server.render import CsvStream, NdjsonStream, Stream, TsvStream

WANTED = Wanted(identity="me", tablename="t")
NAMES = ("host", "region", "cpu", "mem", "disk", "queue", "state", "note")


def seconds(work: Callable[[], object]) -> float:
    """Wall time, once."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Print the figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    rows = [
        (f"host-{n % 5000}", "eu-west-1", n, n * 7, n / 8, n % 13, "running", f"note, {n}")
        for n in range(count)
    ]
    streams: dict[str, Stream] = {"csv": CsvStream(), "tsv": TsvStream(), "ndjson": NdjsonStream()}
    for name, stream in streams.items():
        text = stream.head(NAMES) + stream.rows(rows)
        body = text.encode()
        took_s = seconds(lambda b=body: read_input("-", b, WANTED))  # type: ignore[misc]  # bound now
        print(f"{name:8} {len(body) >> 20:3} MB  {took_s:6.2f} s  {count / took_s:10,.0f} rows/s")
        if name == "csv":
            alone_s = seconds(lambda t=text: list(csv.reader(io.StringIO(t))))  # type: ignore[misc]
            print(f"{'csv.reader alone':16} {alone_s:6.2f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"peak memory {peak} MB, the rows of the bench among it")


if __name__ == "__main__":
    main()
