"""The static tables' own file: durable before the reply, read by every query at once.

WAL, so that a query that reads a table is not in the way of the one that replaces it, and
the other way round; synchronous=FULL, so that `ok` holds through a power cut.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import apsw
import msgspec

from qasino_server.database.directory import locked
from qasino_server.database.room import free_bytes_if_there, size_of
from qasino_server.database.rows import check_rows, insert_rows
from qasino_server.database.sqltext import defined, file_uri, quoted
from qasino_server.database.transaction import Transaction
from qasino_server.errors import Busy, Full, ServerFault, StartError
from qasino_server.table import Columns, Publication

_REGISTER = "qasino_server_static"
_READ_ONLY = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
_LOG_BYTES = 1 << 20
"""Of the log that has been taken into the file; what it has grown beyond is given back."""
_CACHE_BYTES = 2 << 20
"""The most that a transaction has written and is not in the log before its end."""
_DROPPED_PER_WRITTEN = 1000
"""A page that is written when a table is dropped names as many that are free now."""
_LOCKED_MS = 250
"""How long a static publication waits for another program's lock, and live ones for it."""
_BOUNDS = {errno.EMFILE: " (ulimit -n, LimitNOFILE=)", errno.EFBIG: " (ulimit -f, LimitFSIZE=)"}
"""What an operator has to raise."""


class StaticTable(msgspec.Struct, frozen=True):
    """What is known of a static table without reading it."""

    name: str
    columns: Columns
    identity: str
    nr_rows: int
    nr_updates: int
    last_update_epoch: float
    descriptions: tuple[str, ...] = ()


class DurableFile:
    """The writer's side of the static database; one thread at a time."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        """Open or create it; it takes no table that would make it larger than `max_bytes`.

        Raises StartError where it is in use, broken or out of reach."""
        self.path = path
        self.tables: list[StaticTable] = []
        """What the file had when it was opened."""
        self._max_bytes = max_bytes
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = locked(Path(f"{path}.lock"), wait=False)
        except BlockingIOError:
            raise StartError(
                f"another server uses the static tables in {path}; stop it or give another"
                " --static-db"
            ) from None
        except OSError as error:
            raise StartError(_why_unusable(path, error)) from None
        try:
            self.tables = self._open()
        except (apsw.Error, msgspec.MsgspecError, OSError) as error:
            os.close(self._lock)
            raise StartError(_why_unusable(path, error)) from None

    def _open(self) -> list[StaticTable]:
        """Every table the file has."""
        connection = self._connected()
        try:
            os.chmod(self.path, 0o600)
            connection.set_busy_timeout(2000)
            for pragma in (
                "journal_mode=wal",
                f"journal_size_limit={_LOG_BYTES}",
                f"cache_size=-{_CACHE_BYTES >> 10}",
                "synchronous=full",
                "temp_store=memory",
            ):
                connection.execute(f"PRAGMA {pragma}")
            self._page_bytes = connection.execute("PRAGMA page_size").get
            connection.execute(f"PRAGMA max_page_count={self._max_bytes // self._page_bytes + 1}")
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {_REGISTER}"
                " (tablename TEXT PRIMARY KEY COLLATE NOCASE, register TEXT NOT NULL)"
            )
            tables = _registered(connection)
            connection.set_busy_timeout(_LOCKED_MS)
        except (apsw.CantOpenError, apsw.IOError) as error:
            number = connection.system_errno
            connection.close()
            if number:
                raise OSError(number, os.strerror(number)) from error
            raise
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._opened = os.stat(self.path)
        return tables

    def _connected(self) -> apsw.Connection:
        """SQLite says that it cannot open a file, and the system, asked again, says why."""
        try:
            return apsw.Connection(str(self.path))
        except apsw.CantOpenError:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            raise

    def replace(self, publication: Publication, nr_updates: int, epoch: float) -> StaticTable:
        """Replace the whole table; on disk when this returns.

        Raises BadRequest for malformed rows, Full where it is too large for the bound or the
        disk, Busy where another program has the file locked or queries keep its log, ServerFault
        where it cannot be written or is gone; the old table is in force then.
        """
        self._see_that_it_is_there()
        rows = check_rows(self._connection, publication.rows_json, len(publication.columns))
        table = StaticTable(
            name=publication.tablename,
            columns=publication.columns,
            identity=publication.identity,
            nr_rows=rows.nr_rows,
            nr_updates=nr_updates,
            last_update_epoch=epoch,
            descriptions=publication.descriptions,
        )
        name = quoted(publication.tablename)
        with self._writing(len(publication.rows_json)):
            self._connection.execute(f"DROP TABLE IF EXISTS {name}")
            self._connection.execute(f"CREATE TABLE {name} ({defined(publication.columns)})")
            insert_rows(self._connection, name, len(publication.columns), rows)
            self._connection.execute(
                f"INSERT OR REPLACE INTO {_REGISTER} VALUES (?, ?)",
                (table.name, msgspec.json.encode(table).decode()),
            )
            self._leave_room_to_drop()
        return table

    def drop(self, name: str) -> None:
        """Remove the table; on disk when this returns. Raises as `replace` does."""
        self._see_that_it_is_there()
        with self._writing():
            self._connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")
            self._connection.execute(f"DELETE FROM {_REGISTER} WHERE tablename = ?", (name,))

    @contextmanager
    def _writing(self, size_bytes: int = 0) -> Iterator[None]:
        """A transaction that stores so much, 0 where it drops; what it is told where it fails."""
        try:
            self._bound_log()
            self._give_back_log(size_bytes)
            with Transaction(self._connection):
                yield
        except apsw.FullError as error:
            raise self._full(error, size_bytes) from None
        except apsw.BusyError:
            raise Busy(
                f"another program has locked the static tables in {self.path}; nothing was stored,"
                " try again"
            ) from None
        except apsw.Error as error:
            raise ServerFault(
                f"the static tables in {self.path} cannot be written: {error}; nothing was stored"
            ) from None

    def _bound_log(self) -> None:
        """Empty a log that has become as large as the file may be. Raises Busy where it is needed.

        As long as one query after the other reads the tables, SQLite can only add to it.
        """
        with suppress(FileNotFoundError):
            if os.stat(f"{self.path}-wal").st_size <= self._max_bytes:
                return
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.BusyError:
            raise Busy(
                "queries that still run read what the static tables were, and keep more of it than"
                f" {self._max_bytes:,} bytes; nothing was stored, try again when they have ended"
            ) from None

    def _give_back_log(self, size_bytes: int) -> None:
        """Empty the log where little else is left, as far as no query needs it."""
        if self._left_bytes() < 2 * size_bytes + self._drop_bytes():
            with suppress(apsw.Error):
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def _leave_room_to_drop(self) -> None:
        """Raise Full where a drop would find none any more: nothing would make room then."""
        if self._left_bytes() < self._drop_bytes():
            raise self._no_room()

    def _drop_bytes(self) -> int:
        """What a drop may take, and before it the end of another transaction."""
        return _CACHE_BYTES + _LOG_BYTES + size_of(self.path) // _DROPPED_PER_WRITTEN

    def _left_bytes(self) -> int:
        """What is free beside what the file grows by when it takes in the log."""
        nr_pages = self._connection.execute("PRAGMA page_count").get
        grows_bytes = int(nr_pages * self._page_bytes) - size_of(self.path)
        return self._free_bytes() - max(0, grows_bytes)

    def _free_bytes(self) -> int:
        return free_bytes_if_there(self.path.parent)

    def _full(self, error: apsw.FullError, size_bytes: int) -> Full:
        """What SQLite says is full may be the file's bound, which a drop never meets."""
        if not size_bytes:
            return Full(
                f"the disk of the static tables in {self.path} has no room even to drop one; make"
                " some there and try again"
            )
        if self._free_bytes() < _LOG_BYTES:
            return self._no_room()
        return Full(
            f"the static tables have no room for this ({error}): {self._max_bytes:,} bytes is the"
            " most (--max-generation-bytes)"
        )

    def _no_room(self) -> Full:
        return Full(
            f"the disk of the static tables in {self.path} has no room for this; nothing was"
            " stored, and one has to end (drop_table) or room to be made there first"
        )

    def _see_that_it_is_there(self) -> None:
        """Raise ServerFault where the next start would not find what is written now.

        A connection of its own looks, as the next start will: ours would go on in a file that
        has been removed. (Not `open`: closing it would let go of SQLite's locks.)
        """
        try:
            there = os.path.samestat(os.stat(self.path), self._opened)
            if there:
                with closing(apsw.Connection(file_uri(self.path, "mode=ro"), _READ_ONLY)) as seen:
                    seen.set_busy_timeout(_LOCKED_MS)
                    _registered(seen)
        except apsw.BusyError:
            return  # somebody works on it, so it is there; writing finds out more
        except apsw.CantOpenError as error:
            raise ServerFault(
                f"the static tables in {self.path} cannot be looked at: {error}; nothing was stored"
            ) from None
        except (apsw.Error, msgspec.MsgspecError, OSError):
            there = False
        if not there:
            raise ServerFault(
                f"the file of the static tables, {self.path}, was removed or overwritten while the"
                " server ran; nothing was stored, and the server has to be started again"
            )

    def close(self) -> None:
        """Close the file and let go of its lock."""
        self._connection.close()
        os.close(self._lock)


def _registered(connection: apsw.Connection) -> list[StaticTable]:
    rows = connection.execute(f"SELECT register FROM {_REGISTER} ORDER BY tablename")
    return [msgspec.json.decode(text, type=StaticTable) for (text,) in rows]


def _why_unusable(path: Path, error: Exception) -> str:
    if isinstance(error, apsw.BusyError):
        return f"another program has locked the static tables in {path}; end it and start again"
    if isinstance(error, apsw.NoMemError):
        return f"SQLite may not take the memory to open the static tables in {path} (--max-memory)"
    if isinstance(error, apsw.FullError):
        return f"there is no room for the static tables in {path}: make some and start again"
    if isinstance(error, IsADirectoryError):
        return (
            f"the static tables in {path} cannot be read: {error.strerror}; --static-db names a"
            " file"
        )
    if isinstance(error, OSError):
        # Nothing is wrong with the file: who moved it away would lose what is in it.
        bound = _BOUNDS.get(error.errno or 0, "")
        return f"cannot open the static tables in {path}: {error.strerror}{bound}"
    if isinstance(error, apsw.CantOpenError | apsw.IOError):
        return f"cannot open the static tables in {path}: {error}"
    return (
        f"the static tables in {path} cannot be read ({error}); move the file away to start"
        " without them"
    )
