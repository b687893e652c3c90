"""How long a keystroke's completion takes: `python -m tests.bench.completion`.

The lists are those of the issue: 20,000 column names, and 2,000 tables of 30 columns; the text is
a query of 3,000 characters. A keystroke is one call of `complete`, the catalog known. Beside
them stands what the same machine takes to look at 20,000 names in a loop of Python, as a
measure of the machine.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

from qasino_cli.catalog import Catalog, ColumnFact, TableFact
from qasino_cli.names import fit
from qasino_cli.sql.completion import complete

PARTS = "host free used disk queue cpu load user pct bytes rx tx errors name state time age".split()


def catalog(nr_tables: int, nr_columns: int, distinct: bool) -> Catalog:
    """Tables of columns; every name its own, or the same columns in many tables."""
    rng = random.Random(7)
    tables = {}
    for t in range(nr_tables):
        columns = tuple(
            ColumnFact(
                "_".join(rng.choices(PARTS, k=3))
                + (f"_{t * nr_columns + c}" if distinct else f"_{c}"),
                "INTEGER",
                3,
            )
            for c in range(nr_columns)
        )
        tables[f"table_{t}"] = TableFact(f"table_{t}", "table", columns, 10)
    return Catalog(tables=tables, functions=tuple(f"function_{n}" for n in range(170)))


def milliseconds(work: Callable[[], object], repeats: int = 200) -> tuple[float, float]:
    """Median and 99th percentile."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    if repeats == 1:
        return times[0], times[0]
    return statistics.median(times), statistics.quantiles(times, n=100, method="inclusive")[98]


def cases(shrink: int = 1) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is completed, and a keystroke of it; of so many times fewer tables."""
    long_query = "select t.a, " + "coalesce(t.host, 'x') as y, " * 105 + "{} from table_7 t where 1"
    names = catalog(700 // shrink, 30, distinct=True).make_ready()
    wide = catalog(2000 // shrink, 30, distinct=True).make_ready()
    texts = {
        "no FROM, 21,000 names, 1 letter": ("select h", names),
        "no FROM, 21,000 names, 3 letters": ("select hfu", names),
        "no FROM, 21,000 names, no hit": ("select tesarn", names),
        "tables, 2,000 x 30": ("select * from tab", wide),
        "no FROM, 2,000 x 30": ("select useq", wide),
        "no FROM, 2,000 x 30, no hit": ("select tesarn", wide),
        "alias in a query of 3,000 characters": (long_query.format("t.h"), wide),
    }
    for label, (text, known) in texts.items():
        cursor = text.find(" from table_7") if "table_7" in text else len(text)
        yield label, partial(complete, text, cursor, known, lambda table, column: None)


def loop_ms(shrink: int = 1) -> float:
    """A loop over 21,000 names, as a measure of the machine."""
    flat = list(catalog(700 // shrink, 30, distinct=True).columns_by_name)
    return milliseconds(lambda: [name for name in flat if fit("hfu", name) is not None], 20)[0]


def main() -> None:
    """Print the figures."""
    for label, keystroke in cases():
        first_ms = milliseconds(keystroke, 1)[0]
        p50, p99 = milliseconds(keystroke)
        print(f"{label:40} p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   first {first_ms:6.1f} ms")
    print(f"{'a loop over 21,000 names, for measure':40} p50 {loop_ms():6.2f} ms")


if __name__ == "__main__":
    main()
