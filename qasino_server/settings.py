"""What a server can be told, with the defaults of one that is told nothing, and what contradicts
itself in it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec

from qasino_server.errors import SettingsFault, StartError
from qasino_server.quota import Quota

USUAL_VIEWS_FILE = Path("views.conf")
"""Read where it is there; one that was named is missed where it is not."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a server can be told, with the defaults of a server told nothing."""

    listen: str = "127.0.0.1"
    """The address all ports listen on."""
    http_port: int | None = 15597
    """0 takes a free port, None opens none; likewise the other ports."""
    https_port: int | None = 443
    """Opened where there is a certificate, and only then."""
    zmq_port: int | None = 15598
    pubsub_port: int | None = 15596
    line_port: int | None = 15000
    generation_duration_s: int = 30
    identity: str = msgspec.field(default_factory=socket.gethostname)
    """The name the server gives itself in every answer."""
    db_dir: Path | None = None
    """Where generations live; None takes /dev/shm where there is room, else the temporary
    directory."""
    static_db: Path | None = None
    """The file of the static tables; None takes the user's state directory."""
    archive_dir: Path | None = None
    archive_keep: int = 120
    no_prev: bool = False
    """Whether queries go without `prev`, the snapshot before the last."""
    views_file: Path = USUAL_VIEWS_FILE
    query_timeout_s: float = 30.0
    slow_query_s: float = 1.0
    """A query that takes longer is logged."""
    max_rows: int = 100_000
    max_result_bytes: int = 64 << 20
    max_body_bytes: int = 64 << 20
    ports_file: Path | None = None
    """Written whole when every port is open: {"http": .., "zmq": .., "pubsub": .., "line": ..},
    and "https"."""
    tls_cert: Path | None = None
    """The certificate of the HTTPS port, its chain after it, in PEM; and its key."""
    tls_key: Path | None = None
    keys_dir: Path | None = None
    """A directory with server.crt and server.key, instead of the two."""
    htpasswd_file: Path | None = None
    users_file: Path | None = None
    curve_keys: Path | None = None
    """A directory with server.key_secret and clients/NAME.key: the ZeroMQ ports ask for keys."""
    require_auth: bool = False
    """Whether plain HTTP asks for users too, and ports that cannot ask are closed; with a
    users file always."""
    allowed_hosts: frozenset[str] = frozenset()
    """Names, lower case, that a browser may use for a loopback address beside localhost."""
    max_generation_bytes: int | None = None
    """The most a generation's file may take; None takes a quarter of the room where generations
    live, as it is at the start. Likewise the static tables together."""
    max_generation_rows: int = Quota().rows
    max_tables: int = Quota().tables
    max_identities: int = Quota().identities
    max_sources: int = Quota().sources
    """(table, identity) pairs in a generation."""
    max_temp_bytes: int = 1 << 30
    """What one query may write to temporary files."""
    max_memory_bytes: int | None = None
    """What SQLite may take for queries and publications, in this process; None takes half of
    the machine's, or of the control group's."""
    forget_after_s: float = 24 * 3600.0
    """How long a (table, identity) that no longer reports is listed as missing."""

    @property
    def asks_everywhere(self) -> bool:
        """Whether nobody is served unknown, on any port."""
        return self.require_auth or self.users_file is not None

    @property
    def asks_over_http(self) -> bool:
        """Whether there are users with passwords or tokens."""
        return self.htpasswd_file is not None or self.users_file is not None

    def check(self) -> None:
        """Raises SettingsFault where what was asked contradicts itself, or leaves a door open by
        mistake."""
        if self.generation_duration_s < 1:
            raise SettingsFault("a generation lasts 1 second or more")
        if self.asks_over_http:
            return
        if self.certificate is not None and self.https_port is not None:
            raise SettingsFault("HTTPS asks for users: give --htpasswd-file or --users-file")
        if not self.require_auth:
            return
        if self.curve_keys is None:
            raise SettingsFault("--require-auth needs users: give --htpasswd-file or --users-file")
        if self.http_port is not None:
            raise SettingsFault(
                "--require-auth asks over HTTP too: give --htpasswd-file or --users-file beside"
                " --curve-keys, or --http-port off"
            )

    @property
    def certificate(self) -> tuple[Path, Path] | None:
        """The certificate and its key, where there are any. Raises SettingsFault for a half, or
        for two."""
        if self.keys_dir is not None:
            if self.tls_cert is not None or self.tls_key is not None:
                raise SettingsFault(
                    "--keys-dir has the certificate: leave out --tls-cert, --tls-key"
                )
            return self.keys_dir / "server.crt", self.keys_dir / "server.key"
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingsFault("--tls-cert and --tls-key go together: HTTPS needs both")
        if self.tls_cert is None or self.tls_key is None:
            return None
        return self.tls_cert, self.tls_key


def default_static_db() -> Path:
    """Where static tables are kept unless told otherwise: the user's state directory.

    Raises StartError where there is none. A relative path in the variable counts as unset, as the
    XDG Base Directory Specification has it.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    except RuntimeError:
        raise StartError(
            "static tables are kept in the user's home, and this user has none; say where with"
            " --static-db"
        ) from None
    return base / "qasino" / "static.db"
