"""What one generation costs `qasino watch`: `python -m tests.bench.watch [ROWS] [COLUMNS]`.

Processor time of what is done at each generation (decode, compare, draw at 200 x 50) and at each
tick of the clock (draw), medians of 20, with a tenth of the cells changed each time; beside it
the decoding alone, as a measure of the machine.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable

import msgspec

from qasino_cli.answers import read_result
from qasino_cli.layout import Look
from qasino_cli.watch.frame import frame
from qasino_cli.watch.query import Update
from qasino_cli.watch.screen import taken
from qasino_cli.watch.view import View
from qasino_server.table import Result

COLUMNS, LINES = 200, 50


def answers(rows: int, columns: int, generations: int) -> list[bytes]:
    """The server's answers, generation by generation."""
    rng = random.Random(7)
    cells = [
        [f"host-{n}", *(rng.randrange(10**6) for _ in range(columns - 1))] for n in range(rows)
    ]
    made = []
    for number in range(generations):
        for row in cells:
            for column in range(1, columns):
                if rng.random() < 0.1:
                    row[column] += rng.randrange(-9, 9)
        names = ["host", *(f"c{n}" for n in range(1, columns))]
        answer = {
            "response_op": "result_table",
            "table": {"column_names": names, "rows": cells},
            "generation_number": 1000 + 30 * number,
        }
        made.append(msgspec.json.encode(answer))
    return made


def milliseconds(work: Callable[[], object]) -> float:
    """Processor time."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def main() -> None:
    """Print the figures."""
    rows, columns = (int(n) for n in [*sys.argv[1:], "1000", "20"][:2])
    bodies = answers(rows, columns, 20)
    view = View(sql="select * from t", server="zmq://localhost:15598")
    decoding, generations, ticks = [], [], []

    def decoded(body: bytes) -> Result:
        return read_result(body, "here")

    def generation(body: bytes) -> None:
        nonlocal view
        update = Update(result=decoded(body), sql=view.sql)
        view = taken(view, update, (), time.monotonic())
        frame(view, COLUMNS, LINES, time.monotonic(), Look())

    for body in bodies:
        decoding.append(milliseconds(lambda b=body: decoded(b)))  # type: ignore[misc]  # bound now
        generations.append(milliseconds(lambda b=body: generation(b)))  # type: ignore[misc]  # now
        ticks.append(milliseconds(lambda: frame(view, COLUMNS, LINES, time.monotonic(), Look())))
    print(f"{rows:,} rows x {columns} columns, processor time")
    print(f"a generation  {statistics.median(generations):7.1f} ms")
    print(f"a tick        {statistics.median(ticks):7.1f} ms")
    print(f"decoding      {statistics.median(decoding):7.1f} ms")


if __name__ == "__main__":
    main()
