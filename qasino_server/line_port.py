"""The line port: statements typed by hand (telnet, nc), answered as text tables.

A statement ends with ; and may span lines, LF or CRLF in, CRLF out. One thread serves all
connections; a connection runs one statement at a time, what comes after it waits, also for
the client to read. `quit`, `exit` and Ctrl-D in their turn, and Ctrl-C at once (as telnet sends
them, or the byte itself) say Bye! and close; `help` says what else there is. A client that goes
away has its query cancelled.
"""

from __future__ import annotations

import codecs
import io
import re
import selectors
import socket
import time
from collections import deque
from functools import partial
from typing import Any

from qasino_server.dispatch import Dispatch, anybody_at
from qasino_server.errors import QasinoError
from qasino_server.message import MAX_SQL_CHARS, Query
from qasino_server.outbox import Outbox
from qasino_server.patience import allowed_s
from qasino_server.render import TRUNCATED_LINE, error_text, text_table
from qasino_server.replies import Reply
from qasino_server.seats import Seat, Seats
from qasino_server.service import OnDeath, Service
from qasino_server.share import SMALL_BYTES, Share, unread_results
from qasino_server.splitting import Splitter
from qasino_server.table import Result

FADE_S = 1.0
_NO_DESCRIPTORS_S = 0.05
"""A pause where nobody can be let in: the listener stays readable."""
MAX_WAITING_CHARS = MAX_SQL_CHARS
"""What a client may send ahead of its answers."""
_SENT_AT_ONCE_BYTES = 1 << 20
_MAX_UNRUN_CHARS = 256 << 20
"""What all connections may have sent that cannot be run yet; half of it for one client."""
_WAITING_CHARS = 64
"""What a statement that waits takes beside its own."""
_SHORT_CHARS = 4096
"""What any connection may: somebody types."""
_NAMELESS = ""
"""What runs without an id: it is being handed in, or was answered while it was."""
_BYE = b"Bye!\r\n"
_LEAVING_WORDS = ("quit", "exit", "\\q")
_WORDS = (*_LEAVING_WORDS, "help")
"""Are understood with or without a `;`, on a line of their own; no statement begins so."""
_WORD_LINE_CHARS = 100
"""A line that is longer is none of them."""
_WORDS_AT_ONCE = 100
"""Answered to one client before the others have their turn."""
_HELP = (
    b"SQL, ended by ; and on as many lines as you like. SHOW tables; DESC table; SHOW info;\r\n"
    b"SHOW connections; SHOW views; DESC VIEW view; SHOW queries; KILL id; quit\r\n"
)
_TOO_MUCH = b"SQL error: that is more than this server takes at once: over 1 MiB\r\n"
_NOT_UTF8 = b"SQL error: the statement is not UTF-8\r\n"
_HTTP = tuple(
    f"{method} /".encode()
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
)
"""What a browser begins with, and no statement that reads."""
_WHAT_IT_IS = b"this port takes SQL by the line (nc, telnet); HTTP has a port of its own\r\n"
_NO_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n%b" % (len(_WHAT_IT_IS), _WHAT_IT_IS)
)
"""With its length: it is cut off by a reset where the client is still sending its request."""
_NEGOTIATION = re.compile(rb"\xff[\xfb-\xfe][\0-\x31]")
"""What telnet will do or not, or is to, of options up to 49: 3 among them, which is no Ctrl-C here.
UTF-8 has no such byte, and UTF-16 begins with two that are refused with a sentence.
https://www.iana.org/assignments/telnet-options"""
_BREAK = (b"\x03", b"\xff\xf4")
"""Ctrl-C, and what telnet makes of it."""
_END = re.compile(rb"\x04|\xff\xec")
"""Ctrl-D, likewise."""


class _Connection:
    """One client: what it has sent, what runs, what it has yet to receive."""

    def __init__(self, made: socket.socket, peer: str, seat: Seat) -> None:
        self.socket = made
        self.seat = seat
        self.caller = anybody_at("line", peer)
        # What is no UTF-8 is kept, so that the statement it stands in can be refused.
        utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.decoder = io.IncrementalNewlineDecoder(utf8, translate=True)
        self.splitter = Splitter()
        self.waiting: deque[str] = deque()
        """Whole statements that wait for the one that runs."""
        self.waiting_chars = 0
        self.held_chars = 0
        """What of the unfinished and the waiting is counted."""
        self.unsent = bytearray()
        self.full = False
        """It takes no more before we hear that it does."""
        self.was_read = False
        """Something has come."""
        self.running: str | None = None
        """The id of the query that runs, or _NAMELESS."""
        self.leaving = False
        """It is closed as soon as everything is sent."""
        self.ended = False
        """It sends no more."""

    @property
    def unrun_chars(self) -> int:
        """What it has us keep until it can be run."""
        beside_chars = _WAITING_CHARS * len(self.waiting)
        return self.splitter.rest_chars + self.waiting_chars + beside_chars

    @property
    def ready(self) -> bool:
        """Whether it has a statement that can be begun, which none is with much unsent."""
        begins = self.running is None and not self.leaving and len(self.unsent) <= SMALL_BYTES
        return begins and bool(self.waiting)


class LinePort(Service):
    """Text queries over a plain socket."""

    def __init__(
        self,
        listener: socket.socket,
        dispatch: Dispatch,
        seats: Seats,
        max_result_bytes: int,
        on_death: OnDeath,
    ) -> None:
        super().__init__("line-port", on_death)
        self._seats = seats
        self._listener = listener
        self._dispatch = dispatch
        self._selector = selectors.DefaultSelector()
        self._outbox: Outbox[tuple[_Connection, bytes]] = Outbox()
        self._connections: set[_Connection] = set()
        self._unsent = unread_results(max_result_bytes)
        self._unrun = Share(_MAX_UNRUN_CHARS, "statements that are not whole")
        self._fading: dict[_Connection, float] = {}
        """Connections that send no more, and when to close them: their query runs, or they read."""

    def wake(self) -> None:
        self._outbox.wake()

    def run(self) -> None:
        """Serve until stopped."""
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._outbox, selectors.EVENT_READ, self._take_answers)
        try:
            while not self.stopping.is_set():
                for key, events in self._selector.select(0.1 if self._fading else None):
                    key.data(events)
                self._end_faded()
        finally:
            for connection in list(self._connections):
                self._close(connection)
            self._outbox.close()
            self._selector.close()
            self._listener.close()

    def _accept(self, events: int) -> None:
        try:
            made, address = self._listener.accept()
        except OSError:
            self.stopping.wait(_NO_DESCRIPTORS_S)
            return
        made.setblocking(False)
        peer = f"{address[0]}:{address[1]}"
        seat = self._seats.take("line", address[0])
        if seat is None:
            made.close()
            return
        connection = _Connection(made, peer, seat)
        self._connections.add(connection)
        self._selector.register(made, selectors.EVENT_READ, partial(self._serve, connection))

    def _serve(self, connection: _Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                self._read(connection)
            if events & selectors.EVENT_WRITE:
                connection.full = False
                self._write(connection)
                self._next_statement(connection)
        except OSError:
            self._close(connection)

    def _read(self, connection: _Connection) -> None:
        data = connection.socket.recv(65536)
        if not data:
            self._end_of_input(connection)
            return
        data = _NEGOTIATION.sub(b"", data)
        if any(mark in data for mark in _BREAK):
            self._leave(connection)
            return
        if not connection.was_read and data.startswith(_HTTP):
            # A page of any site can have a browser send us what it likes, statements among it.
            connection.leaving = True
            self._send(connection, _NO_HTTP)
            return
        connection.was_read = True
        data, *ended = _END.split(data, 1)
        complete = connection.splitter.feed(connection.decoder.decode(data))
        statements = [each for statement in complete for each in _with_words(statement)]
        if word := _word_in(connection.splitter):
            statements.append(word)
            connection.splitter = Splitter()
        if ended:
            statements.append("quit")
            connection.splitter = Splitter()
        connection.waiting += statements
        connection.waiting_chars += sum(map(len, statements))
        too_much = (
            connection.splitter.rest_chars > MAX_SQL_CHARS
            or connection.waiting_chars > MAX_WAITING_CHARS
        )
        if not self._hold(connection, connection.unrun_chars) or too_much:
            connection.leaving = True
            connection.splitter = Splitter()
            connection.waiting.clear()
            self._send(connection, _TOO_MUCH)
            return
        self._next_statement(connection)

    def _hold(self, connection: _Connection, size_chars: int) -> bool:
        """Count what a connection has us keep until it can be run; whether that may be so much."""
        asker = connection.caller.asker
        self._unrun.give_back(asker, connection.held_chars)
        fits = size_chars <= _SHORT_CHARS or self._unrun.has_room(asker, size_chars)
        connection.held_chars = size_chars if fits else 0
        self._unrun.take(asker, connection.held_chars)
        return fits

    def _end_of_input(self, connection: _Connection) -> None:
        """The client sends no more: it has gone, or it is `printf .. | nc -N` and waits.

        TCP does not tell the two apart, so each query has FADE_S to end before it is stopped. The
        last statement needs no `;` then, as in other shells' pipes.
        """
        if connection.splitter.rest_chars:
            last = _with_words(connection.splitter.rest.strip())
            connection.splitter = Splitter()
            connection.waiting += last
            connection.waiting_chars += sum(map(len, last))
        if connection.running is None and not connection.unsent and not connection.waiting:
            self._close(connection)
            return
        connection.ended = True
        self._bound(connection)
        self._watch(connection)

    def _bound(self, connection: _Connection) -> None:
        """From now on, one that sends no more has its time: for its query, or to read."""
        if not connection.ended or connection not in self._connections:
            return
        fades_s = FADE_S
        if connection.running is None:
            fades_s = allowed_s(len(connection.unsent))
        self._fading[connection] = time.monotonic() + fades_s

    def _end_faded(self) -> None:
        now = time.monotonic()
        for connection in [c for c, ends in self._fading.items() if ends < now]:
            self._close(connection)

    def _leave(self, connection: _Connection) -> None:
        self._cancel(connection)
        connection.waiting.clear()
        connection.leaving = True
        self._send(connection, _BYE)

    def _next_statement(self, connection: _Connection) -> None:
        """Hand in the next statement, unless one runs, or its client is to read first.

        Of words few are answered; what is left has its turn when we hear that the socket takes
        more, as it does at once.
        """
        for _ in range(_WORDS_AT_ONCE):
            if not connection.ready:
                break
            self._begin(connection)
        if connection in self._connections:
            self._watch(connection)

    def _begin(self, connection: _Connection) -> None:
        statement = connection.waiting.popleft()
        connection.waiting_chars -= len(statement)
        self._hold(connection, connection.unrun_chars)
        if statement.lower() in _LEAVING_WORDS:
            self._leave(connection)
        elif statement.lower() == "help":
            self._send(connection, _HELP)
        elif not _is_text(statement):
            self._send(connection, _NOT_UTF8)
        else:
            self._run(connection, statement)

    def _run(self, connection: _Connection, sql: str) -> None:
        connection.running = _NAMELESS
        query_id = self._dispatch.handle(
            Query(sql=sql, format="text"),
            connection.caller,
            lambda reply: self._outbox.put((connection, _text(reply))),
        )
        connection.running = query_id or _NAMELESS
        self._bound(connection)

    def _take_answers(self, events: int) -> None:
        for connection, text in self._outbox.take():
            if connection.running is None:
                continue  # it was cancelled: who asked is leaving, or gone
            connection.running = None
            if len(text) > SMALL_BYTES and not self._unsent.has_room(connection.caller.asker):
                text = _text(self._unsent.busy)
            try:
                self._send(connection, text)
                self._bound(connection)
                self._next_statement(connection)
            except OSError:
                self._close(connection)

    def _send(self, connection: _Connection, data: bytes) -> None:
        connection.unsent += data
        self._unsent.take(connection.caller.asker, len(data))
        self._write(connection)

    def _write(self, connection: _Connection) -> None:
        if connection.unsent and not connection.full:
            with memoryview(connection.unsent)[:_SENT_AT_ONCE_BYTES] as part:
                try:
                    sent = connection.socket.send(part)
                except BlockingIOError:
                    sent = 0
                connection.full = sent < len(part)
            del connection.unsent[:sent]
            self._unsent.give_back(connection.caller.asker, sent)
        idle = not connection.unsent and connection.running is None
        if idle and (connection.leaving or (connection.ended and not connection.waiting)):
            self._close(connection)
            return
        self._watch(connection)

    def _watch(self, connection: _Connection) -> None:
        """Poll for what the connection can do now."""
        events = 0 if connection.leaving or connection.ended else selectors.EVENT_READ
        if connection.unsent or connection.ready:
            events |= selectors.EVENT_WRITE
        key: Any = self._selector.get_map().get(connection.socket)
        if key is None and events:
            serve = partial(self._serve, connection)
            self._selector.register(connection.socket, events, serve)
        elif key is not None and not events:
            self._selector.unregister(connection.socket)
        elif key is not None and key.events != events:
            self._selector.modify(connection.socket, events, key.data)

    def _cancel(self, connection: _Connection) -> None:
        if connection.running is not None and connection.running != _NAMELESS:
            self._dispatch.cancel(connection.running)
        connection.running = None

    def _close(self, connection: _Connection) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._fading.pop(connection, None)
        self._unsent.give_back(connection.caller.asker, len(connection.unsent))
        connection.leaving = True  # whoever closed it while sending goes on to the next statement
        connection.unsent.clear()
        self._hold(connection, 0)
        self._cancel(connection)
        if self._selector.get_map().get(connection.socket) is not None:
            self._selector.unregister(connection.socket)
        connection.socket.close()
        connection.seat.leave()


def _is_text(statement: str) -> bool:
    """Whether it was UTF-8 when it came."""
    try:
        statement.encode()
    except UnicodeEncodeError:
        return False
    return True


def _with_words(statement: str) -> list[str]:
    """A statement, and before it the words that stood on lines of their own and need no `;`."""
    words: list[str] = []
    begins = 0
    while (ends := statement.find("\n", begins)) >= 0:
        word = statement[begins:ends].strip()
        if word and word.lower() not in _WORDS:
            break
        if word:
            words.append(word)
        begins = ends + 1
    return [*words, statement[begins:].lstrip()]


def _word_in(splitter: Splitter) -> str:
    """One of the words that need no `;`, if that is what has come and its line has ended."""
    if splitter.rest_chars > _WORD_LINE_CHARS or not splitter.rest.endswith("\n"):
        return ""
    word = splitter.rest.strip()
    return word if word.lower() in _WORDS else ""


def _text(reply: Reply) -> bytes:
    """The reply with CRLF line ends."""
    if isinstance(reply, QasinoError):
        text = error_text(reply)
    elif isinstance(reply, Result):
        text = text_table(reply.column_names, reply.rows)
        text += TRUNCATED_LINE if reply.truncated else ""
    else:
        text = "SQL error: that is no query\n"
    return text.replace("\n", "\r\n").encode()
