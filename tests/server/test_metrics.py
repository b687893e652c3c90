"""What a monitoring system sees: /metrics and /healthz, and what is logged of queries."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_prometheus
from wire import Wire

from qasino_server.errors import QasinoError
from qasino_server.health import MISSED, Health
from qasino_server.metrics import _QUERY_BUCKETS, _Answered
from qasino_server.server import Server
from qasino_server.store import State

MakeServer = Callable[..., Server]
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


def publish(wire: Wire, identity: str, rows: list[list[int]], name: str = "t") -> None:
    table = {"tablename": name, "column_names": ["a"], "column_types": ["int"], "rows": rows}
    wire.http_post("add_table_data", {"identity": identity, "table": table})


def samples(wire: Wire) -> dict[str, float]:
    """Every sample by its name and labels, from the OpenMetrics form."""
    status, headers, body = wire.http("GET", path="/metrics", headers=OPENMETRICS)
    assert status == 200
    assert headers["content-type"].startswith("application/openmetrics-text")
    return {
        " ".join([sample.name, *(v for _, v in sorted(sample.labels.items()))]): sample.value
        for family in read_openmetrics(body.decode())
        for sample in family.samples
    }


def test_what_happened_is_counted(server: Server, wire: Wire) -> None:
    publish(wire, "web-1", [[1], [2]])
    publish(wire, "web-2", [[3]])
    publish(wire, "", [[3]])
    publish(wire, "web-3", [[1, 2]])
    server.rotate()
    wire.http_get({"op": "query", "sql": "select * from t"})
    wire.http_get({"op": "query", "sql": "select nothing from t"})
    wire.zmq_request({"op": "query", "sql": "select 1"})
    found = samples(wire)
    assert found["qasino_publications_total http"] == 2
    assert found["qasino_published_rows_total"] == 3
    assert found["qasino_published_bytes_total"] == len("[[1], [2]]") + len("[[3]]")
    assert found["qasino_rejects_total BadRequest"] == 2
    assert found["qasino_queries_total ok http"] == 1
    assert found["qasino_queries_total SqlError http"] == 1
    assert found["qasino_queries_total ok zmq"] == 1
    assert found["qasino_query_seconds_count"] == 3
    assert found["qasino_rotation_seconds_count"] == 1
    assert (found["qasino_rows"], found["qasino_identities"], found["qasino_missing"]) == (3, 2, 0)
    assert found["qasino_generation_bytes"] > 0
    assert found["qasino_connections http"] >= 1
    server.rotate()
    assert samples(wire)["qasino_missing"] == 2


def test_a_repeat_that_changes_nothing_is_not_counted_as_stored(server: Server, wire: Wire) -> None:
    for _ in range(3):
        publish(wire, "web-1", [[1], [2]])
    found = samples(wire)
    assert found["qasino_publications_total http"] == 1
    assert found["qasino_published_rows_total"] == 2
    assert found["qasino_published_bytes_total"] == len("[[1], [2]]")


def test_a_query_that_is_refused_before_it_waits_is_counted_and_logged(
    make_server: MakeServer, wire_to: Callable[[Server], Wire], tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    users = tmp_path / "users.yaml"
    users.write_text(
        "users: {agent: {tokens: [ta], roles: [publish]}, ann: {tokens: [tr], roles: [read]}}"
    )
    wire = wire_to(make_server(users_file=users))
    agent, ann = ({"Authorization": f"Bearer {token}"} for token in ("ta", "tr"))
    for sql in ("select 17", "select 17 x, 1"):
        assert wire.http("GET", {"op": "query", "sql": sql}, headers=agent)[0] == 403
    _, _, body = wire.http("GET", path="/metrics", headers=ann)
    found = {
        tuple(sorted(sample.labels.items())): sample.value
        for family in read_prometheus(body.decode())
        for sample in family.samples
        if sample.name == "qasino_queries_total"
    }
    assert found == {(("outcome", "Forbidden"), ("port", "http")): 2}
    logged = [m for m in caplog.messages if m.endswith(": select 17 x, 1")]
    assert len(logged) == 1
    assert "user=agent" in logged[0]


def _figures(metric: Metric) -> dict[str, float]:
    kept = [sample for sample in metric.samples if not sample.name.endswith("_created")]
    return {sample.name + sample.labels.get("le", ""): sample.value for sample in kept}


TIMES_S = st.one_of(st.sampled_from(_QUERY_BUCKETS), st.floats(0, 60))


@given(st.lists(st.tuples(st.sampled_from(["http", "zmq"]), TIMES_S)))
def test_queries_are_told_as_the_library_tells_a_histogram(
    answers: list[tuple[str, float]],
) -> None:
    ours = _Answered()
    registry = CollectorRegistry()
    theirs = Histogram("qasino_query_seconds", "", buckets=_QUERY_BUCKETS, registry=registry)
    for port, seconds in answers:
        ours.note(port, "ok", seconds)
        theirs.observe(seconds)
    counted, took = ours.collect()
    told = {(s.name, s.labels["port"]): s.value for s in counted.samples if "_total" in s.name}
    by_port = Counter(port for port, _ in answers)
    assert told == {("qasino_queries_total", port): number for port, number in by_port.items()}

    [library] = theirs.collect()
    assert _figures(took) == pytest.approx(_figures(library))


def test_no_answer_is_lost_that_several_threads_note_at_once() -> None:
    answered = _Answered()

    def note() -> None:
        for _ in range(5_000):
            answered.note("http", "ok", 0.25)

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        list(answered.collect())
    counted, took = answered.collect()
    assert counted.samples[0].value == 20_000
    assert [s.value for s in took.samples if s.name.endswith("_sum")] == [5_000.0]
    assert len(answered._noted) == 0


def test_every_counter_tells_since_when_it_counts(server: Server, wire: Wire) -> None:
    publish(wire, "web-1", [[1]])
    publish(wire, "", [[1]])
    wire.http_get({"op": "query", "sql": "select 1"})
    found = samples(wire)
    counters = {name for name in found if "_total" in name}
    assert len(counters) >= 5
    assert {name.replace("_total", "_created") for name in counters} <= set(found)


NAMED = {
    "publications", "published_rows", "published_bytes", "rejects", "queries", "query_seconds",
    "rotation_seconds", "generation_number", "generation_age_seconds", "generation_bytes", "rows",
    "tables", "identities", "missing", "queries_running", "waiting_bytes", "connections",
}  # fmt: skip


def test_no_label_is_of_a_peers_choosing(server: Server, wire: Wire) -> None:
    """Labels multiply: a peer that chose them could fill a monitoring system."""
    for odd in ("evil-1", 'quo"te', "back\\slash", "line\nend", "\u202e"):
        publish(wire, odd, [[1]], "evil_1")
        publish(wire, odd, [[1]], odd)
        wire.http("GET", {"op": odd, "sql": odd, "format": odd})
        wire.http("POST", {"op": "query"}, json.dumps({"sql": odd, "query_id": odd}).encode())
        wire.zmq_request({"op": odd})
        wire.zmq_request({"op": "query", "sql": odd})
        wire.line(f"select '{odd}' from nothing;")
    server.rotate()
    _, _, body = wire.http("GET", path="/metrics", headers=OPENMETRICS)
    families = list(read_openmetrics(body.decode()))
    assert {f"qasino_{name}" for name in NAMED} == {family.name for family in families}
    assert all(family.documentation for family in families)
    ports, errors = {"http", "zmq", "line", "pubsub"}, set(subclasses_of(QasinoError))
    for family in families:
        for sample in family.samples:
            allowed = {"port": ports, "reason": errors, "outcome": errors | {"ok"}}
            for label, value in sample.labels.items():
                assert label == "le" or value in allowed[label], sample


def subclasses_of(kind: type) -> Iterator[str]:
    """The names of all classes of that kind."""
    yield kind.__name__
    for below in kind.__subclasses__():
        yield from subclasses_of(below)


def test_an_older_scraper_gets_the_older_text(wire: Wire) -> None:
    status, headers, body = wire.http("GET", path="/metrics")
    assert (status, headers["content-type"].split(";")[0]) == (200, "text/plain")
    assert "qasino_generation_number" in {f.name for f in read_prometheus(body.decode())}


def test_metrics_are_for_those_who_may_read(
    make_server: MakeServer, wire_to: Callable[[Server], Wire], tmp_path: Path
) -> None:
    users = tmp_path / "users.yaml"
    users.write_text(
        "users: {agent: {tokens: [ta], roles: [publish]}, ann: {tokens: [tr], roles: [read]}}"
    )
    wire = wire_to(make_server(users_file=users))
    assert wire.http("GET", path="/metrics")[0] == 401
    assert wire.http("GET", path="/metrics", headers={"Authorization": "Bearer ta"})[0] == 403
    assert wire.http("GET", path="/metrics", headers={"Authorization": "Bearer tr"})[0] == 200
    assert wire.http("GET", path="/healthz")[0] == 200


def test_health_is_told_to_everybody(wire: Wire) -> None:
    for path in ("/healthz", "/healthz/live", "/healthz/ready"):
        status, _, body = wire.http("GET", path=path)
        assert status == 200
        told = json.loads(body)
        assert (told["ready"], told["generation_duration_s"]) == (True, 30)
        assert told["pubsub_port"] == wire.ports["pubsub"]


def test_the_op_tells_the_same_on_every_port(wire: Wire) -> None:
    told = json.loads(wire.http("GET", path="/healthz")[2])
    told |= {"response_op": "health", "identity": wire.query("select 1")["identity"]}
    for body in (wire.http_post("health", {})[2], *wire.zmq_request({"op": "health"})):
        answer = json.loads(body)
        assert answer["generation_age_s"] >= told["generation_age_s"]
        assert answer == told | {"generation_age_s": answer["generation_age_s"]}


def test_a_server_whose_snapshot_grew_old_lives_but_is_not_ready() -> None:
    def state(age_s: float) -> State:
        return State(
            generation_number=7,
            generation_age_s=age_s,
            generation_bytes=0,
            nr_rows=0,
            nr_tables=0,
            nr_identities=0,
            nr_missing=0,
            queries_running=0,
            waiting_bytes=0,
        )

    young, old = (
        Health(lambda age=age: state(age), 30.0, None) for age in (30.0, 30.0 * MISSED + 1)
    )
    assert young.answer("/healthz")[0] == 200
    assert old.answer("/healthz")[0] == old.answer("/healthz/ready")[0] == 503
    assert old.answer("/healthz/live")[0] == 200


def test_slow_and_refused_queries_are_logged_with_who_asked(
    make_server: MakeServer,
    wire_to: Callable[[Server], Wire],
    caplog: pytest.LogCaptureFixture,
) -> None:
    wire = wire_to(make_server(slow_query_s=1e-9))
    with caplog.at_level(logging.WARNING, "qasino.dispatch"):
        wire.http_get({"op": "query", "sql": "select 41 + 1"})
    assert "port=http peer=127.0.0.1:" in caplog.text
    assert "slow: select 41 + 1" in caplog.text


def test_a_query_out_of_time_is_logged_and_a_mistake_is_not(
    make_server: MakeServer,
    wire_to: Callable[[Server], Wire],
    caplog: pytest.LogCaptureFixture,
) -> None:
    wire = wire_to(make_server(query_timeout_s=0.1, slow_query_s=60.0))
    caplog.clear()
    endless = "with recursive c(n) as (select 1 union all select n + 1 from c) select max(n) from c"
    with caplog.at_level(logging.WARNING, "qasino.dispatch"):
        wire.http_get({"op": "query", "sql": "select nothing"})
        assert caplog.text == ""
        wire.http_get({"op": "query", "sql": endless})
    assert "did not end within 0.1 s" in caplog.text
    for attempt in ("attach 'x' as y", "pragma query_only = 0", "create table x (a)"):
        wire.http_get({"op": "query", "sql": attempt})
        assert attempt in caplog.text
    assert endless in caplog.text


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/healthz/live", "/healthz/ready"])
def test_who_watches_comes_by_get(wire: Wire, path: str) -> None:
    """All methods were answered, as if they had done something."""
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        status, headers, body = wire.http(method, path=path)
        assert (status, headers["allow"]) == (405, "GET, HEAD"), method
        assert method in json.loads(body)["error_message"]
    assert wire.http("GET", path=path)[0] == wire.http("HEAD", path=path)[0] == 200
