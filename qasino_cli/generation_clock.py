"""When a generation has begun: the server's signal, and a clock of our own where it is silent.

Who publishes in every generation must neither miss one because a signal was lost nor fall
silent because the server has no signal port. So the signal is followed, and where it stays
away for longer than a generation lasts, beats come from here until it is heard again; the first
where the signal of the next generation would be missed, by the age of the present one. A
connection that has been silent for `silence_s` is made anew, since a firewall or a server that
moved to another address closes nothing at this end. One that was closed and is there again is a
beat as well: a server that began anew knows nothing of what it was sent before.

A clock belongs to one thread, but for `wake`.
"""

from __future__ import annotations

import logging
import math
import time

import msgspec
import zmq

from qasino_cli.client import open_client
from qasino_cli.clock import DEAF_MOST_S, Beat, next_due
from qasino_cli.connection import DEFAULT_PUBSUB_PORT, Connection
from qasino_cli.durations import Duration
from qasino_cli.errors import ServerRefused
from qasino_cli.reach import find_address
from qasino_cli.zmq_socket import HANDSHAKE_FAILED, Ground, connect, read_event
from qasino_server.errors import QasinoError
from qasino_server.outbox import Outbox
from qasino_server.replies import SIGNAL_TAG

log = logging.getLogger("qasino.clock")

USUAL_DURATION_S = 30.0
USUAL_SILENCE_S = 120.0  # the ancestor's --gen-signal-timeout
PATIENCE = 1.25  # a signal is missed once it is a quarter of a generation late
ASK_TIMEOUT_S = 5.0
AWAY_S = 10.0  # until a server that was not there is looked for again
REFUSED_S = 10.0  # until it is tried again where the signal is not for us


class _Signal(msgspec.Struct):
    generation_number: int
    generation_duration_s: Duration


_decoder = msgspec.json.Decoder(_Signal)
_EVENTS = sum(HANDSHAKE_FAILED) | zmq.EVENT_HANDSHAKE_SUCCEEDED


class GenerationClock:
    """Waits for generations of one server."""

    def __init__(self, connection: Connection, silence_s: float = USUAL_SILENCE_S) -> None:
        """Nothing is opened and nothing can fail yet; `begin` does that, or the first `wait`."""
        self._connection = connection
        self._silence_s = silence_s
        self.duration_s = USUAL_DURATION_S
        """How long a generation lasts, as far as is known."""
        self._away = False
        """It was not there when it was last asked."""
        self._learned = False
        """How long a generation lasts, from the server."""
        self.refused = False
        """It was asked for that, when it was last, and did not tell."""
        self._said_so = False
        self._ground = Ground()
        self._socket: zmq.Socket[bytes] | None = None
        self._monitor: zmq.Socket[bytes] | None = None
        self._was_there = self._is_back = False
        """Whoever sends the signal; and it has come again since that was told."""
        self._wakeup: Outbox[None] = Outbox()
        self._opened = False
        self._own_beat_at = math.inf
        self._reopen_at = 0.0

    def begin(self) -> None:
        """Listen from now on: who acts before they wait misses no generation meanwhile.

        Takes ASK_TIMEOUT_S at most, where there is no server or a slow one.
        """
        if not self._opened:
            self._open()

    def ask_duration(self) -> None:
        """Have the server say how long its generations last: it may have begun anew, with others.

        Takes ASK_TIMEOUT_S at most.
        """
        self._found()

    def wait(self, timeout_s: float | None = None) -> Beat | None:
        """The next beat; None where `timeout_s` seconds pass or somebody calls `wake` first.

        Signals that came while nobody waited count as one, the newest.
        """
        give_up_at = math.inf if timeout_s is None else time.monotonic() + timeout_s
        self.begin()
        while True:
            signal = self._poll(min(give_up_at, self._own_beat_at, self._reopen_at))
            if signal is not None:
                return self._heard(signal)
            now = time.monotonic()
            if self._is_back:
                self._is_back = False
                self._own_beat_at = now + self.duration_s * PATIENCE
                return Beat(None, self.duration_s)
            if self._woken or now >= give_up_at:
                return None
            if now >= self._own_beat_at:
                return self._own_beat(now)
            if now >= self._reopen_at:
                self._close_socket()
                self._open()

    def wake(self) -> None:
        """End the present or next `wait` early; any thread."""
        self._wakeup.wake()

    def close(self) -> None:
        """Stop listening."""
        self._close_socket()
        self._ground.leave()
        self._wakeup.close()

    def _open(self) -> None:
        """Find the signal and listen; where that fails our own clock goes on until it is time
        to try again."""
        self._opened = True
        was_away = self._away
        port, age_s = self._found()
        now = time.monotonic()
        self._reopen_at = now + min(self._silence_s, AWAY_S if self._away else math.inf)
        missed_at = now - age_s + self.duration_s * (PATIENCE - 1)
        own_beat_at = next_due(missed_at, self.duration_s, now)
        is_found = was_away and not self._away
        if is_found:  # it has nothing of ours: the last one, that is past, counts
            own_beat_at -= self.duration_s * math.ceil((own_beat_at - now) / self.duration_s)
        self._own_beat_at = min(self._own_beat_at, own_beat_at)
        if port is not None:
            self._connect(port)

    def _found(self) -> tuple[int | None, float]:
        """Where the signal is, None where the server has none, and the present generation's age.

        A server that cannot be asked is taken to have it in the usual place, and to begin one now.
        """
        told = self._connection.pubsub_port
        hasty = msgspec.structs.replace(
            self._connection, timeout_s=min(ASK_TIMEOUT_S, self._connection.timeout_s)
        )
        client = open_client(hasty)
        self._away = self.refused = False
        try:
            cadence = client.cadence()
        except QasinoError as error:
            self.refused = isinstance(error, ServerRefused)
            self._away = not self.refused
            return told or DEFAULT_PUBSUB_PORT, 0.0
        finally:
            client.close()
        self._learn(cadence.generation_duration_s)
        return told or cadence.pubsub_port, cadence.generation_age_s

    def _learn(self, duration_s: float) -> None:
        self.duration_s = duration_s
        self._learned = True

    def _connect(self, port: int) -> None:
        try:
            _, address = find_address(self._connection)
            with self._ground.opening(self._connection) as context:
                self._listen(context, address, port)
        except QasinoError:
            return

    def _listen(self, context: zmq.Context[zmq.Socket[bytes]], address: str, port: int) -> None:
        self._socket = context.socket(zmq.SUB)
        self._socket.linger = 0
        self._socket.subscribe(SIGNAL_TAG)
        self._monitor = self._socket.get_monitor_socket(_EVENTS)
        connect(self._socket, address, port, self._connection.curve)

    def _poll(self, until: float) -> _Signal | None:
        """Sleep until something is heard, somebody wakes us, the time has come, or for as long as
        one may be deaf to signals."""
        poller = zmq.Poller()
        poller.register(self._wakeup.fileno(), zmq.POLLIN)
        for socket in (self._socket, self._monitor):
            if socket is not None:
                poller.register(socket, zmq.POLLIN)
        left_s = min(max(0.0, until - time.monotonic()), DEAF_MOST_S)
        ready = dict(poller.poll(math.ceil(left_s * 1000)))
        self._woken = self._wakeup.fileno() in ready
        if self._woken:
            self._wakeup.take()
        if self._monitor in ready:
            self._hear_monitor()
        return self._newest() if self._socket in ready else None

    def _hear_monitor(self) -> None:
        while self._monitor is not None and self._monitor.poll(0):
            if read_event(self._monitor) in HANDSHAKE_FAILED:
                # ZeroMQ would knock ten times a second at a door that wants other keys than ours.
                self._close_socket()
                self._reopen_at = time.monotonic() + REFUSED_S
            else:
                self._is_back, self._was_there = self._was_there, True

    def _newest(self) -> _Signal | None:
        """The newest signal that waits; what is none of a Qasino server is passed over."""
        newest = None
        assert self._socket is not None
        while self._socket.poll(0):
            _, _, body = self._socket.recv_multipart()[0].partition(b"\0")
            try:
                newest = _decoder.decode(body)
            except msgspec.DecodeError:
                continue
        return newest

    def _heard(self, signal: _Signal) -> Beat:
        now = time.monotonic()
        self._learn(signal.generation_duration_s)
        self._is_back = False
        self._own_beat_at = now + self.duration_s * PATIENCE
        # A generation may be longer than the silence that is put up with.
        self._reopen_at = now + max(self._silence_s, self.duration_s * 2)
        return Beat(signal.generation_number, self.duration_s)

    def _own_beat(self, now: float) -> Beat:
        if self.refused and not (self._learned or self._said_so):
            self._say_that_we_guess()
        self._own_beat_at = next_due(self._own_beat_at, self.duration_s, now)
        return Beat(None, self.duration_s)

    def _say_that_we_guess(self) -> None:
        self._said_so = True
        log.warning(
            "%s sends no signal and does not tell how long a generation lasts; taken to be %g s",
            self._connection.url,
            self.duration_s,
        )

    def _close_socket(self) -> None:
        if self._socket is not None and self._monitor is not None:
            self._socket.disable_monitor()
            self._monitor.close(0)
            self._socket.close(0)
        self._socket = self._monitor = None
        self._was_there = False
