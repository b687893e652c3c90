"""The clock a publisher follows: the server's signal, and its own where that is silent."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq
from wire import until

from qasino_cli import generation_clock
from qasino_cli.client import open_client
from qasino_cli.clock import Beat
from qasino_cli.connection import Connection, CurveKeys
from qasino_cli.generation_clock import PATIENCE, GenerationClock
from qasino_server.curve_keys import make_pair
from qasino_server.message import Query
from qasino_server.server import Server

GIVE_UP_S = 20.0

MakeServer = Callable[..., Server]


def to(server: Server, **overrides: object) -> Connection:
    """The way to a server; where its signal is, it says itself."""
    known = {"scheme": "zmq", "host": "127.0.0.1", "port": server.ports["zmq"]}
    return Connection(**(known | overrides))


@contextmanager
def clock_of(connection: Connection, **options: float) -> Iterator[GenerationClock]:
    clock = GenerationClock(connection, **options)
    try:
        yield clock
    finally:
        clock.close()


def beat_after_rotation(clock: GenerationClock, server: Server) -> Beat:
    """Rotate until the clock hears it: whoever subscribes may miss the first signal."""
    give_up_at = time.monotonic() + GIVE_UP_S
    while time.monotonic() < give_up_at:
        server.rotate()
        beat = clock.wait(0.2)
        if beat is not None:
            return beat
    raise AssertionError("no signal was heard")


def signal(number: int, duration_s: float) -> bytes:
    told = {"generation_number": number, "generation_duration_s": duration_s}
    return b"GENSIG\0" + json.dumps(told).encode()


@contextmanager
def publisher() -> Iterator[tuple[int, Any]]:
    """A port that says what a test wants it to, and its socket."""
    with zmq.Context() as context, context.socket(zmq.PUB) as made:
        made.linger = 0
        yield made.bind_to_random_port("tcp://127.0.0.1"), made


def heard(clock: GenerationClock, pub: Any, duration_s: float = 300.0) -> None:
    """Wait until the clock hears what is published."""

    def is_heard() -> bool:
        pub.send(signal(1, duration_s))
        return clock.wait(0.05) is not None

    until(is_heard)
    while clock.wait(0.05) is not None:
        pass  # what was sent while the first one was on its way


@pytest.mark.parametrize("scheme", ["zmq", "http"])
def test_a_rotation_is_heard_on_a_signal_port_the_server_names(server: Server, scheme: str) -> None:
    with clock_of(to(server, scheme=scheme, port=server.ports[scheme])) as clock:
        beat = beat_after_rotation(clock, server)
    assert beat.generation_number is not None
    assert beat.duration_s == 30


def test_signals_nobody_waited_for_count_as_one_the_newest(server: Server) -> None:
    with clock_of(to(server)) as clock:
        beat_after_rotation(clock, server)

        def one_was_heard() -> bool:
            """Where both have come before somebody waits; it names the next snapshot."""
            server.rotate()
            server.rotate()
            heard, more = clock.wait(GIVE_UP_S), clock.wait(0.1)
            assert heard is not None
            newest = server.rotate()
            clock.wait(GIVE_UP_S)
            return more is None and heard.generation_number == newest

        until(one_was_heard)


@pytest.mark.parametrize(
    "none",
    [
        b"GENSIG",
        b"GENSIG\0\xff",
        b'GENSIG\0{"generation_number": 3, "x": "\xff"}',
        b'GENSIG\0{"generation_number": 3}',
        signal(3, 0.0),
        signal(3, -1.0),
        signal(3, 1e300),
    ],
)
def test_what_is_no_signal_is_passed_over_on_the_port_that_was_named(
    server: Server, none: bytes
) -> None:
    with publisher() as (port, pub), clock_of(to(server, pubsub_port=port)) as clock:
        heard(clock, pub)
        for frame in (none, signal(2, 17.0), none):
            pub.send(frame)
        assert clock.wait(GIVE_UP_S) == Beat(2, 17.0)
        assert clock.wait(0.02) is None
        assert clock.duration_s == 17


def test_our_own_clock_goes_on_as_the_last_signal_has_it_where_no_more_come(server: Server) -> None:
    with publisher() as (port, pub), clock_of(to(server, pubsub_port=port)) as clock:
        heard(clock, pub)
        pub.send(signal(2, 0.1))
        assert clock.wait(GIVE_UP_S) == Beat(2, 0.1)
        assert clock.wait(GIVE_UP_S) == clock.wait(GIVE_UP_S) == Beat(None, 0.1)


def test_the_silence_within_a_long_generation_makes_no_connection_anew(server: Server) -> None:
    there = {"silence_s": 0.3}
    with publisher() as (port, pub), clock_of(to(server, pubsub_port=port), **there) as clock:
        heard(clock, pub)
        with pub.get_monitor_socket(zmq.EVENT_ACCEPTED) as monitor:
            clock.wait(0.5)
            assert not monitor.poll(0)
            pub.disable_monitor()


def test_our_own_clock_beats_though_nobody_is_there_and_asked_again_and_again(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation_clock, "AWAY_S", 0.05)
    monkeypatch.setattr(generation_clock, "USUAL_DURATION_S", 0.2)
    gone = make_server()
    gone.stop()
    with clock_of(to(gone)) as clock:
        assert [clock.wait(GIVE_UP_S) for _ in range(2)] == [Beat(None, 0.2)] * 2


@pytest.mark.parametrize("scheme", ["zmq", "http"])
def test_a_server_that_does_not_answer_is_not_waited_for(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation_clock, "ASK_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = Connection(scheme=scheme, host="127.0.0.1", port=silent.getsockname()[1])
        began = time.monotonic()
        with clock_of(there) as clock:
            clock.begin()
            clock.ask_duration()
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("told", "duration_s"),
    [
        ({"pubsub_port": "x"}, 30),
        ({"pubsub_port": 70000}, 30),
        ({"pubsub_port": 0}, 30),
        ({"generation_duration_s": "y"}, 30),
        ({"generation_duration_s": -1}, 30),
        ({"generation_duration_s": 0}, 30),
        ({"generation_duration_s": None}, 30),
        ({"generation_duration_s": 1e300}, 30),
        ({"generation_age_s": 1e300}, 30),
        ({"generation_age_s": -1}, 30),
        ({}, 17),
    ],
)
def test_what_no_server_of_ours_would_tell_ends_no_clock(
    told: dict[str, object], duration_s: float
) -> None:
    """Whoever listens at that port by now may say anything."""
    known = {"generation_duration_s": 17, "generation_age_s": 1, "pubsub_port": 15596}
    answer = json.dumps({"response_op": "health", **known, **told}).encode()
    with zmq.Context() as context, context.socket(zmq.REP) as stranger:
        stranger.linger = 0
        port = stranger.bind_to_random_port("tcp://127.0.0.1")
        answering = threading.Thread(target=lambda: stranger.send((stranger.recv(), answer)[1]))
        answering.start()
        with clock_of(Connection(host="127.0.0.1", port=port)) as clock:
            clock.begin()
            assert clock.duration_s == duration_s
        answering.join()


def test_without_a_signal_port_our_own_clock_beats_as_often_as_a_generation_lasts(
    make_server: MakeServer,
) -> None:
    began = time.monotonic()
    server = make_server(pubsub_port=None, generation_duration_s=1)
    with clock_of(to(server)) as clock:
        first, second = clock.wait(GIVE_UP_S), clock.wait(GIVE_UP_S)
    assert first == second == Beat(None, 1.0)
    assert time.monotonic() - began >= PATIENCE + 1.0


def test_our_own_clock_misses_no_generation_that_begins_soon(make_server: MakeServer) -> None:
    """It begins late in one, and beats in the next."""
    server = make_server(pubsub_port=None, generation_duration_s=2)
    there = to(server)
    with closing(open_client(there)) as client:
        until(lambda: client.query(Query(sql="select 1", typed=True)).generation_age_s > 1.6)
    asked_at = time.monotonic()
    with clock_of(there) as clock:
        assert clock.wait(GIVE_UP_S) == Beat(None, 2.0)
    assert time.monotonic() - asked_at < 2.0 * PATIENCE


def test_who_may_publish_alone_learns_over_http_when_generations_begin(
    make_server: MakeServer, tmp_path: Path
) -> None:
    users = tmp_path / "users.yaml"
    users.write_text("users: {agents: {tokens: [t], roles: [publish]}}")
    port = make_server(users_file=users, generation_duration_s=1).ports["http"]
    began = time.monotonic()
    with clock_of(Connection(scheme="http", host="127.0.0.1", port=port, token="t")) as clock:
        assert clock.wait(GIVE_UP_S) == clock.wait(GIVE_UP_S) == Beat(None, 1.0)
    assert time.monotonic() - began < 2 * PATIENCE + 1


def test_and_over_zeromq_where_their_signal_is_and_nobody_is_warned_of_them(
    make_server: MakeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The server logged a query that was refused for each agent that began."""
    users = tmp_path / "users.yaml"
    users.write_text("users: {ann: {roles: [publish]}}")
    pairs = {name: make_pair(tmp_path / "curve" / name) for name in ("server", "clients/ann")}
    server = make_server(users_file=users, curve_keys=tmp_path / "curve", generation_duration_s=77)
    keys = CurveKeys(pairs["clients/ann"], pairs["server"].public)
    with clock_of(to(server, curve=keys)) as clock:
        clock.begin()
        assert clock.duration_s == 77
        assert beat_after_rotation(clock, server).generation_number is not None
    assert "may not" not in caplog.text


@contextmanager
def ancestor() -> Iterator[Connection]:
    """A server that does not know of that question, and has no signal."""
    with zmq.Context() as context, context.socket(zmq.REP) as made:
        port = made.bind_to_random_port("tcp://127.0.0.1")
        over = threading.Event()

        def answer() -> None:
            while not over.is_set():
                if made.poll(20):
                    op = json.loads(made.recv())["op"]
                    told = f"Unrecognized op '{op}'"
                    made.send_json({"response_op": "error", "error_message": told})

        thread = threading.Thread(target=answer)
        thread.start()
        with socket.create_server(("127.0.0.1", 0)) as mute:
            known = {"port": port, "pubsub_port": mute.getsockname()[1]}
            yield Connection(scheme="zmq", host="127.0.0.1", **known)
        over.set()
        thread.join()


def test_a_server_that_does_not_tell_how_long_a_generation_lasts_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(generation_clock, "USUAL_DURATION_S", 0.2)
    with ancestor() as there, clock_of(there, silence_s=0.1) as clock:
        for _ in range(3):
            assert clock.wait(GIVE_UP_S) == Beat(None, 0.2)
    said = f"{there.url} sends no signal and does not tell how long a generation lasts"
    assert caplog.text.count(said) == 1


def test_a_wait_ends_when_somebody_wakes_it(server: Server) -> None:
    with clock_of(to(server)) as clock:
        threading.Timer(0.05, clock.wake).start()
        began = time.monotonic()
        assert clock.wait(GIVE_UP_S) is None
        assert time.monotonic() - began < GIVE_UP_S


def test_a_wake_before_the_wait_is_not_lost(server: Server) -> None:
    with publisher() as (port, pub), clock_of(to(server, pubsub_port=port)) as clock:
        heard(clock, pub)
        clock.wake()
        assert clock.wait(GIVE_UP_S) is None
        pub.send(signal(2, 17.0))
        assert clock.wait(GIVE_UP_S) == Beat(2, 17.0), "it ends one wait"


def test_a_wait_ends_when_its_time_is_up(server: Server) -> None:
    with clock_of(to(server)) as clock:
        assert clock.wait(0.01) is None


def test_a_server_that_is_away_is_found_when_it_has_come(make_server: MakeServer) -> None:
    """The clock begins before there is a server, and asks again after the silence."""
    first = make_server()
    there = to(first, pubsub_port=first.ports["pubsub"])
    first.stop()
    with clock_of(there, silence_s=0.2) as clock:
        assert clock.wait(0.01) is None
        second = make_server(zmq_port=there.port, pubsub_port=there.pubsub_port)
        assert clock.wait(GIVE_UP_S) == Beat(None, 30)  # it is there
        assert beat_after_rotation(clock, second).generation_number is not None


def test_a_server_that_comes_late_is_found_before_the_silence_is_over_and_beats_at_once(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation_clock, "AWAY_S", 0.1)
    first = make_server()
    there = to(first)
    first.stop()
    with clock_of(there) as clock:
        assert clock.wait(0.01) is None
        make_server(zmq_port=there.port, pubsub_port=None, generation_duration_s=300)
        assert clock.wait(GIVE_UP_S) == Beat(None, 300)


def test_a_server_that_begins_anew_is_a_beat(make_server: MakeServer) -> None:
    """Whoever published waited for the end of its first generation, whose snapshot had nothing."""
    first = make_server(generation_duration_s=300)
    there = to(first, pubsub_port=first.ports["pubsub"])
    with clock_of(there) as clock:
        beat_after_rotation(clock, first)
        first.stop()
        second = make_server(
            zmq_port=there.port, pubsub_port=there.pubsub_port, generation_duration_s=300
        )
        until(lambda: clock.wait(0.1) == Beat(None, 300.0))
        assert clock.wait(0.01) is None, "once"
        assert beat_after_rotation(clock, second).generation_number is not None


def test_a_connection_that_was_silent_is_made_anew_and_hears_again(make_server: MakeServer) -> None:
    """Where the server says that its signal is by now."""
    first = make_server()
    with clock_of(to(first), silence_s=0.05) as clock:
        assert clock.wait(0.01) is None
        first.stop()
        second = make_server(zmq_port=first.ports["zmq"])
        assert beat_after_rotation(clock, second).generation_number is not None
