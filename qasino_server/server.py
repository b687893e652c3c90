"""Assembly: what is opened in which order, and closed in the reverse."""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import ssl
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import zmq

from qasino_server.auth import Gate
from qasino_server.bridge import Mailbox
from qasino_server.browser import names_of
from qasino_server.curve_gate import CurveGate
from qasino_server.database.heap import bound_memory, widen_lookaside
from qasino_server.database.room import memory_bytes
from qasino_server.dispatch import Dispatch
from qasino_server.errors import StartError
from qasino_server.health import Health
from qasino_server.heartbeat import Heartbeat, next_number
from qasino_server.http_app import RequestApp
from qasino_server.http_port import HttpPort
from qasino_server.interpreter import take_turns
from qasino_server.line_port import LinePort
from qasino_server.listening import listen, load_certificate, tls_context
from qasino_server.metrics import Metrics
from qasino_server.pages import Pages
from qasino_server.quota import Quota
from qasino_server.seats import seats_of_process
from qasino_server.service import Service
from qasino_server.settings import USUAL_VIEWS_FILE, Settings, default_static_db
from qasino_server.store import Store, StoreSettings
from qasino_server.users import Users
from qasino_server.zmq_port import SignalPort, ZmqPort, bind, port_of, prepare, spare
from qasino_server.zmq_unread import Unread
from qasino_server.zmq_watch import ZmqWatch

log = logging.getLogger("qasino.server")

STOP_S = 4.0
"""A stop is over within 5 seconds, under load too."""
ANSWERS_S = 0.5
"""Of that for telling who waits for a query; one that does not hear of its end is left."""


class Server:
    """A whole server in threads of this process.

    `start` opens the files, then the ports, then begins to serve; `stop` goes the other way:
    nobody new comes in, the clock stops, what was accepted is stored, the files are closed.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ports: dict[str, int] = {}
        """What is bound: http, https, zmq, pubsub, line."""
        self.failed = False
        """Whether a part of the server has died."""
        self._services: list[Service] = []
        """In the order in which they are stopped."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._store: Store | None = None
        self._signal: SignalPort | None = None
        self._pages: Pages | None = None
        self._http_sockets: list[tuple[socket.socket, ssl.SSLContext | None]] = []
        self._tls: ssl.SSLContext | None = None
        self._users: Users | None = None
        self._curve_gate: CurveGate | None = None
        self._line_socket: socket.socket | None = None
        self._router: zmq.Socket[bytes] | None = None
        self._seats = seats_of_process()
        self._watch: ZmqWatch | None = None
        self._stop_lock = threading.Lock()
        self._stop_reader, self._stop_writer = os.pipe()
        self._stopped = False
        self._opened = ExitStack()
        """What is closed when all services have ended, the last first."""
        for end in (self._stop_reader, self._stop_writer):
            self._opened.callback(os.close, end)
        self._opened.callback(self._context.destroy, linger=0)

    # --- Life -------------------------------------------------------------------------------

    def start(self, heartbeat: bool = True) -> None:
        """Open everything and serve. Raises StartError, having closed what was open.

        Without `heartbeat` nothing rotates but `rotate`: for tests.
        """
        try:
            self._start(heartbeat)
        except BaseException:
            self.stop()
            raise

    def _start(self, heartbeat: bool) -> None:
        settings = self.settings
        settings.check()
        take_turns()
        widen_lookaside()
        bound_memory(settings.max_memory_bytes or memory_bytes() // 2)
        self._users = _users(settings)
        store = self._store = Store(_store_settings(settings), self._died)
        self._bind()
        first_number = next_number(0)
        ports = [(name, settings.listen, port) for name, port in self.ports.items()]
        store.start(first_number, ports)
        metrics = Metrics(store.state, store.nr_rows_published, self._seats.by_port)
        health = Health(store.state, settings.generation_duration_s, self.ports.get("pubsub"))
        dispatch = Dispatch(store, metrics, health, settings.slow_query_s)
        self._make_ports(store, dispatch, metrics, health)
        self._heartbeat = Heartbeat(
            settings.generation_duration_s,
            first_number,
            store.rotate,
            self._announce,
            self._died,
            metrics.rotated,
        )
        for service in self._services:
            service.start()
        if heartbeat:
            self._services.append(self._heartbeat)
            self._heartbeat.start()
        _look_for_views(settings.views_file)
        if settings.ports_file is not None:
            _write_ports(settings.ports_file, self.ports)
            self._opened.callback(_remove_ports, settings.ports_file)

    def _bind(self) -> None:
        """Take every port before any of them answers."""
        settings = self.settings
        if settings.http_port is not None:
            self._bind_http("http", settings.http_port, None)
        if settings.certificate is not None and settings.https_port is not None:
            self._tls = tls_context(*settings.certificate)
            self._bind_http("https", settings.https_port, self._tls)
        if settings.curve_keys is not None and self._users is not None:
            secret_file = settings.curve_keys / "server.key_secret"
            self._curve_gate = CurveGate(self._context, secret_file, self._users, self._died)
            self._opened.callback(self._curve_gate.close)
        if self._curve_gate is not None or not settings.asks_everywhere:
            self._bind_zmq()
        if settings.line_port is not None and not settings.asks_everywhere:
            self._line_socket = self._listen(settings.line_port)
            self.ports["line"] = self._line_socket.getsockname()[1]

    def _bind_http(self, name: str, port: int, tls: ssl.SSLContext | None) -> None:
        made = self._listen(port)
        self._http_sockets.append((made, tls))
        self.ports[name] = made.getsockname()[1]

    def _listen(self, port: int) -> socket.socket:
        return self._opened.enter_context(listen(self.settings.listen, port))

    def _bind_zmq(self) -> None:
        """The ports that ask for keys, or serve everybody who reaches them."""
        settings = self.settings
        self._watch = ZmqWatch(self._seats, settings.max_body_bytes, self._died)
        self._opened.callback(self._watch.close)
        if settings.zmq_port is not None:
            self._router = self._zmq_socket(zmq.ROUTER)
            prepare(self._router, settings.max_body_bytes)
            self._bind_watched("zmq", self._router, settings.zmq_port, self._watch)
        if settings.pubsub_port is not None:
            pub = self._zmq_socket(zmq.PUB)
            spare(pub)
            self._signal = SignalPort(pub, settings.identity, settings.generation_duration_s)
            self._bind_watched("pubsub", pub, settings.pubsub_port, self._watch)

    def _bind_watched(
        self, name: str, unbound: zmq.Socket[bytes], port: int, watch: ZmqWatch
    ) -> None:
        watch.observe(name, unbound, self._context)
        bind(unbound, self.settings.listen, port)
        self.ports[name] = port_of(unbound)
        watch.bound(name, self.ports[name])

    def _zmq_socket(self, kind: int) -> zmq.Socket[bytes]:
        made = self._opened.enter_context(self._context.socket(kind))
        if self._curve_gate is not None:
            self._curve_gate.guard(made)
        return made

    def _make_ports(
        self, store: Store, dispatch: Dispatch, metrics: Metrics, health: Health
    ) -> None:
        settings = self.settings
        if self._http_sockets:
            self._make_http(store, dispatch, metrics, health)
        if self._router is not None and self._watch is not None:
            self._services.append(
                ZmqPort(
                    self._router,
                    dispatch,
                    settings.identity,
                    max_body_bytes=settings.max_body_bytes,
                    on_death=self._died,
                    watch=self._watch,
                    unread=Unread(settings.max_result_bytes, self.ports["zmq"]),
                    rights_of=None if self._curve_gate is None else self._curve_gate.rights_of,
                )
            )
        for service in (self._watch, self._curve_gate):
            if service is not None:
                self._services.append(service)
        if self._line_socket is not None:
            most_bytes = settings.max_result_bytes
            self._services.append(
                LinePort(self._line_socket, dispatch, self._seats, most_bytes, self._died)
            )

    def _make_http(
        self, store: Store, dispatch: Dispatch, metrics: Metrics, health: Health
    ) -> None:
        settings = self.settings
        users, mailbox = self._users, Mailbox()
        gate = Gate(users, self._died) if users and settings.asks_over_http else None
        self._pages = Pages(
            dispatch,
            settings.identity,
            settings.generation_duration_s,
            mailbox,
            (lambda: None) if users is None else users.current,
        )
        app = RequestApp(
            dispatch,
            settings.identity,
            max_body_bytes=settings.max_body_bytes,
            max_result_bytes=settings.max_result_bytes,
            has_room=store.has_room,
            when_room=store.when_room,
            allowed_hosts=settings.allowed_hosts | names_of(socket.gethostname()),
            gate=gate,
            asks_on_plain_http=settings.asks_everywhere,
            health=health,
            metrics=metrics,
            pages=self._pages,
            mailbox=mailbox,
        )
        self._services.append(HttpPort(self._http_sockets, app, self._seats, self._died))
        if gate is not None:
            self._services.append(gate)

    def _announce(self, number: int) -> None:
        """Tell those who follow the generations that the one of this number has begun."""
        if self._signal is not None:
            self._signal.publish(number)
        if self._pages is not None:
            self._pages.announce()

    def reload(self) -> None:
        """Read certificate, users and views again; what cannot be used leaves the old in force."""
        if self._tls is not None and self.settings.certificate is not None:
            try:
                load_certificate(self._tls, *self.settings.certificate)
                log.info("certificate loaded")
            except StartError as error:
                log.warning("the certificate stays as it was: %s", error.sentence)
        if self._users is not None:
            self._users.reload()
        if self._store is not None:
            self._store.overlay()

    def rotate(self) -> int:
        """Rotate now, by hand; the number of the new snapshot. Not beside a heartbeat."""
        assert self._store is not None
        self._heartbeat.beat()
        return self._store.generation_number

    def wait(self) -> bool:
        """Sleep until somebody asks the server to stop; False where a part of it has died."""
        select.select([self._stop_reader], [], [])
        return not self.failed

    def ask_to_stop(self) -> None:
        """Have `wait` return. Safe in a signal handler and in any thread."""
        if not self._stopped:
            os.write(self._stop_writer, b"\0")

    def stop(self) -> None:
        """End the queries, close the ports, then the store, then the rest; at most 5 seconds."""
        with self._stop_lock:
            if self._stopped:
                return
            self._stopped = True
        ends = time.monotonic() + STOP_S
        if self._store is not None:
            # Before the ports, which would leave who waits for a query without an answer.
            self._store.stop_answering(ANSWERS_S)
        for service in self._services:
            service.stop()
        for service in self._services:
            if not service.join(max(0.1, ends - 2 - time.monotonic())):
                log.warning("%s did not end in time", service.name)
        if self._store is not None:
            self._store.stop(max(0.5, ends - time.monotonic()))
        self._opened.close()

    def _died(self, name: str, error: BaseException) -> None:
        log.critical("service %s died (%s), the server ends", name, error)
        self.failed = True
        self.ask_to_stop()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def _users(settings: Settings) -> Users | None:
    """Who may come in; None where everybody may."""
    clients = None if settings.curve_keys is None else settings.curve_keys / "clients"
    if clients is None and not settings.asks_over_http:
        return None
    return Users(settings.htpasswd_file, settings.users_file, clients)


def _look_for_views(path: Path) -> None:
    """Warn of a views file that was named and is not there: it may be a slip of the pen."""
    if path == USUAL_VIEWS_FILE:
        return
    try:
        path.stat()
    except OSError as error:
        log.warning("views file %s: %s; it is read as soon as it is there", path, error.strerror)


def _store_settings(settings: Settings) -> StoreSettings:
    return StoreSettings(
        identity=settings.identity,
        duration_s=settings.generation_duration_s,
        db_dir=settings.db_dir,
        static_db=settings.static_db or default_static_db(),
        archive_dir=settings.archive_dir,
        archive_keep=settings.archive_keep,
        keep_prev=not settings.no_prev,
        views_file=settings.views_file,
        query_timeout_s=settings.query_timeout_s,
        max_rows=settings.max_rows,
        max_result_bytes=settings.max_result_bytes,
        max_body_bytes=settings.max_body_bytes,
        forget_after_s=settings.forget_after_s,
        quota=Quota(
            tables=settings.max_tables,
            identities=settings.max_identities,
            sources=settings.max_sources,
            rows=settings.max_generation_rows,
        ),
        max_temp_bytes=settings.max_temp_bytes,
        max_generation_bytes=settings.max_generation_bytes,
    )


def _write_ports(path: Path, ports: dict[str, int]) -> None:
    """Appear whole or not at all."""
    try:
        # A name nobody knows beforehand: in /tmp others could put a symbolic link there.
        descriptor, partial = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        try:
            with open(descriptor, "w", encoding="utf-8") as out:
                out.write(json.dumps(ports) + "\n")
                os.fchmod(out.fileno(), 0o644)
            os.rename(partial, path)
        except OSError:
            os.unlink(partial)
            raise
    except OSError as error:
        raise StartError(f"cannot write the ports file {path}: {error.strerror}") from None


def _remove_ports(path: Path) -> None:
    """Where it cannot be removed, the log says so; the server ends as it would."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("the ports file %s stays: %s", path, error.strerror)
