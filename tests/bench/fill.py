"""A generation of many rows, published as fast as it goes."""

from __future__ import annotations

from itertools import count
from typing import Any

from tests.bench.bodies import publications, table
from tests.bench.load import after_sending, rate
from tests.bench.processes import Host

MANY = "many"
"""The table."""
COLUMNS = 5
_AT_ONCE = 4


def fill(host: Host, rows: int, identities: int, **flags: Any) -> None:
    """Publish `rows` rows of five columns, in equal parts from so many identities."""
    template = table(rows // identities, COLUMNS, MANY, **flags)
    at_once = min(_AT_ONCE, identities)
    bodies = publications(template, "zmq", count())
    rate("zmq", host.ports["zmq"], bodies, at_once, after_sending(identities, at_once))
