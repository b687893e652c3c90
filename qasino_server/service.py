"""The thread core: a service is one thread with a name, an owner, a stop and an end.

Rules of this file:
1. `run` is the whole life of the thread; `wake` makes it notice that it should stop.
2. A service that dies of an exception tells its owner at once (`on_death`); nothing in the
   server limps on with a part missing.
3. `stop` may be called from any thread, any number of times, also before `start`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from qasino_server.threads import begin

log = logging.getLogger("qasino.service")

OnDeath = Callable[[str, BaseException], None]


def report_death(name: str, error: BaseException) -> None:
    """The owner of a service nobody else owns: the log hears of its death."""
    log.critical("service %s died: %s", name, error)


class Service:
    """One named thread. Subclasses write `run`, and `wake` if `run` can block."""

    def __init__(self, name: str, on_death: OnDeath = report_death) -> None:
        self.name = name
        self.stopping = threading.Event()
        """Set once the service has been asked to end."""
        self._on_death = on_death
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)

    def run(self) -> None:
        """The life of the thread, from start to end."""
        raise NotImplementedError(f"{type(self).__name__} has no life")

    def wake(self) -> None:
        """Make `run` look at `stopping` now; nothing by default."""

    def start(self) -> None:
        """Begin the thread. Raises StartError where the system lets us have no more."""
        begin(self._thread)

    def stop(self) -> None:
        """Ask the thread to end and return at once."""
        self.stopping.set()
        self.wake()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end, at most `timeout_s` seconds; True if it has come."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def native_id(self) -> int | None:
        """The thread's id in the kernel, once it runs."""
        return self._thread.native_id

    def _live(self) -> None:
        try:
            self.run()
        except Exception as error:
            # A thread has no caller to tell: without this the server would go on without
            # its clock or its writer, answering `ok` to what nobody stores.
            log.exception("service %s died", self.name)
            self._on_death(self.name, error)
