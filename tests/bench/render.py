"""`python -m tests.bench.render`: how long a result takes to become lines, beside rich.Table.

Medians of five; rich is drawn once for 10,000 rows, which takes it seconds.
"""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table
from rich.text import Text

from qasino_cli.layout import Look, lay_out
from qasino_server.table import Result
from tests.bench.completion import milliseconds

COLUMNS = 120
NAMES = ("host", "n", "load", "state", "note", "bytes", "dc", "name")
SIZES = (50, 1000, 10_000)
COLOURED = Look(colours=True)


def made(nr_rows: int) -> Result:
    """Hosts with numbers, NULLs, texts of many lengths, and a Japanese name now and then."""
    rows = [
        (
            f"web-{n:05d}.example.com",
            n,
            n * 1.5,
            None if n % 3 else "up",
            "the quick brown fox jumps"[: n % 26],
            n * 10**9,
            "ams",
            "日本" if n % 100 == 0 else "plain",
        )
        for n in range(nr_rows)
    ]
    return Result(column_names=NAMES, column_types=("",) * 8, nr_rows=nr_rows, rows=rows)


def by_rich(result: Result) -> None:
    """The same rows as a rich.Table."""
    table = Table(*result.column_names)
    for row in result.rows:
        table.add_row(*(Text("NULL" if cell is None else str(cell)) for cell in row))
    Console(file=io.StringIO(), width=COLUMNS).print(table)


def main() -> None:
    """Print the table."""
    print(f"{'rows':>6}  {'plain ms':>9}  {'colour ms':>9}  {'rich ms':>9}  {'rich/plain':>10}")
    for size in SIZES:
        result = made(size)
        plain, _ = milliseconds(lambda: lay_out(result, COLUMNS), 5)  # noqa: B023 - called at once
        colour, _ = milliseconds(lambda: lay_out(result, COLUMNS, look=COLOURED), 5)  # noqa: B023
        rich, _ = milliseconds(lambda: by_rich(result), 1 if size > 1000 else 5)  # noqa: B023
        print(f"{size:>6}  {plain:>9.1f}  {colour:>9.1f}  {rich:>9.1f}  {rich / plain:>10.0f}")


if __name__ == "__main__":
    main()
