"""What a request means does not depend on whether its rows were read with it or when stored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qasino_server.database.cells import read_cells
from qasino_server.database.generation import Generation
from qasino_server.errors import BadRequest, QasinoError
from qasino_server.message import Publish, decode_for_store
from qasino_server.request_rows import LEAST_BYTES, MOST_BYTES, UnreadRows
from qasino_server.table import Receipt

WHOLE = b" " * MOST_BYTES
"""In front of a request it changes nothing, but that it is too long to be cut."""
PADDING = json.dumps(["x" * LEAST_BYTES, 1])
TWO = '{"tablename":"t","column_names":["s","i"],"column_types":["text","int"],'


@pytest.fixture(scope="module")
def generation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generation]:
    made = Generation(tmp_path_factory.mktemp("unread") / "g.db")
    yield made
    made.seal()


def outcome(generation: Generation, body: bytes) -> object:
    """What is stored of a request, or the sentence it is refused with; its bytes counted alike."""
    try:
        request = decode_for_store(body)
        if not isinstance(request, Publish):
            return request
        publication = request.publication
        rows = generation.check_rows(publication.rows_json, len(publication.columns))
        cells = None if rows.cells is None else (repr(rows.cells.values), rows.cells.counts)
        header = msgspec.structs.replace(publication, rows_json="")
        return header, rows.nr_rows, rows.jsonb, cells
    except BadRequest as error:
        return re.sub(r"(?<=byte )\d{6,}", lambda n: str(int(n[0]) - MOST_BYTES), str(error))


def requests_of(table: str) -> Iterator[str]:
    """The same table in the places it may have."""
    yield f'{{"op":"add_table_data","identity":"me","table":{table}}}'
    yield f'{{"table": {table}, "identity": "me", "op": "add_table_data"}}'


ROWS = st.lists(
    st.sampled_from(
        ['["a",1]', "[null, 2.5]", '["]]",-0]', '["\\"rows\\":[", 9]', '["é",true]', "[[1],{}]"]
    ),
    max_size=4,
).map(lambda rows: f"[{','.join([*rows, PADDING])}]")
TABLES = st.one_of(
    ROWS.map(lambda rows: f'{TWO}"rows":{rows}}}'),
    ROWS.map(lambda rows: f'{TWO}"rows" : {rows}}}'),
    ROWS.map(lambda rows: f'{TWO}"rows": \n{rows} , "more":[1]}}'),
    ROWS.map(lambda rows: f'{{"rows":{rows},{TWO[1:-1]}}}'),
    ROWS.map(lambda rows: f'{TWO}"rows":{rows},"rows":[]}}'),
    ROWS.map(lambda rows: f'{TWO}"rows":7,"rows":{rows}}}'),
    ROWS.map(lambda rows: f'{TWO}"rows":{rows},"rows":7}}'),
    ROWS.map(lambda rows: f'{TWO}"rows":null}},"other":{{"rows":{rows}}}'),
    ROWS.map(lambda rows: f'{TWO}"more":{{"rows":{rows}}}}}'),
    ROWS.map(lambda rows: f'{TWO}"rows":{rows},{rows}}}'),
    ROWS.map(lambda rows: f'{TWO}"rows":{rows},"column_descriptions":["what s is",""]}}'),
    ROWS.map(lambda rows: f'{TWO}"rows":{rows},"column_types":["int","text"]}}'),
    ROWS.map(lambda rows: f'{TWO}"rows":{rows}}},"ttl_s":9,"labels":{{"x":[1]}}'),
    ROWS.map(lambda rows: f'{TWO}"rows":{rows}}},"identity":"you","labels":{{"x":[[1]]}}'),
    ROWS.map(lambda rows: f'{TWO}"rows":{rows}}},"persist":"maybe","labels":{{"x":[1]}}'),
    ROWS.map(lambda rows: f'{TWO}"rows":[]}},"other":{{"rows":{rows}}}'),
    ROWS.map(lambda rows: f'{{"tablename":"rows","column_names":["rows"],"rows":{rows}}}'),
)
EDITS = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.booleans(),
        st.integers(0, 2),
        st.sampled_from(["", "[", "]", "{", "}", ",", ":", '"', "\\", "1", " ", "],[", "\udcff"]),
    ),
    max_size=2,
)


def edited(text: str, edits: list[tuple[int, bool, int, str]]) -> bytes:
    """Some characters taken out and put in, counted from the start or from the end."""
    for place, behind, taken, given_ in edits:
        at = max(len(text) - place, 0) if behind else min(place, len(text))
        text = text[:at] + given_ + text[at + taken :]
    return text.encode("utf-8", "surrogateescape")


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(table=TABLES, which=st.integers(0, 1), edits=EDITS)
@example(table=f'{TWO}"rows":[{PADDING}],"column_descriptions":["a","b"]}}', which=0, edits=[])
@example(table=f'{TWO}"rows":[{PADDING},{PADDING}}}', which=0, edits=[])
@example(table=f'{TWO}"rows":[{PADDING}],[{PADDING}]}}', which=0, edits=[])
@example(table=f'{TWO}"rows":[{PADDING}],"rows":5,"x":[2]}}', which=0, edits=[])
def test_it_is_stored_or_refused_with_the_same_words(
    generation: Generation, table: str, which: int, edits: list[tuple[int, bool, int, str]]
) -> None:
    body = edited(list(requests_of(table))[which], edits)
    assert outcome(generation, body) == outcome(generation, WHOLE + body)


def test_the_usual_request_is_not_read_twice_and_others_at_once() -> None:
    """What stands around the rows waits with them, uncounted: where it is much they are read."""
    usual, _ = requests_of(f'{TWO}"rows": [{PADDING}]}}')
    for spaced in (usual, usual.replace('"rows": ', '"rows":\n  ')):
        decoded = decode_for_store(spaced.encode())
        assert isinstance(decoded, Publish)
        assert isinstance(decoded.publication.rows_json, UnreadRows)
        assert decoded.publication.rows_json.read() == f"[{PADDING}]"
    large_around = usual.replace("add_table_data", f'add_table_data","more":"{"x" * LEAST_BYTES}')
    for other in (usual.replace("x" * LEAST_BYTES, ""), large_around):
        decoded = decode_for_store(other.encode())
        assert isinstance(decoded, Publish)
        assert type(decoded.publication.rows_json) is str


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from("[],7"), max_size=9).map(lambda text: f"[{text}]")
        | st.sampled_from(["[[7]]", "[[7]],[[7]]", "[[7]", "[7]]", "[[7]],7,[[7]]", "[]"]),
        min_size=1,
        max_size=5,
    )
)
@example(["[[7]],[[7]]", "[[7]", "[7]]"])
def test_no_rows_become_anothers_where_they_are_read_together(rows: list[str]) -> None:
    """Who may publish under one identity only must not add to what others publish."""
    alone = [read_cells([text], 1) for text in rows]
    together = read_cells(rows, 1)
    if any(cells is None for cells in alone):
        assert together is None
    else:
        assert together is not None
        assert together.counts == [count for cells in alone if cells for count in cells.counts]


@pytest.mark.parametrize("flag", ["", "replace", "update", "persist", "static"])
def test_rows_that_are_no_json_change_nothing(bench: Any, flag: str) -> None:
    """Not even where a repeat would be passed over, whatever its rows."""
    options = f',"{flag}":1' if flag else ""

    def hand_in(rows: str) -> Receipt | QasinoError:
        body = f'{{"op":"add_table_data","identity":"me"{options},"table":{TWO}"rows":{rows}}}}}'
        request = decode_for_store(body.encode())
        assert isinstance(request, Publish)
        assert isinstance(request.publication.rows_json, UnreadRows)
        return bench.hand_in(request.publication)

    assert isinstance(hand_in(f"[{PADDING}]"), Receipt)
    refused = hand_in(f'[{PADDING}, ["b" 2]]')
    assert isinstance(refused, BadRequest)
    assert str(refused).startswith("the request is not JSON: expected ',' or ']'")
    bench.rotate()
    assert bench.rows("select i from t") == [[1]]
