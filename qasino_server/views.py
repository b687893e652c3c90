"""The views file: YAML, a list of {viewname, view}, reloaded when it changes.

A view that cannot be used is kept with what is wrong with it, so that SHOW views can say so,
and hurts no other. A file that is no YAML at all leaves the views that were in force.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from qasino_server.database.sandbox import is_table_function
from qasino_server.database.snapshot import View
from qasino_server.database.viewsql import faults_of_any, read_view_sql
from qasino_server.errors import BadRequest
from qasino_server.stamp import Stamp, stamp_of
from qasino_server.table import check_tablename, shown
from qasino_server.yaml_text import read_yaml

log = logging.getLogger("qasino.views")


class Views:
    """The views in force; asked before every query, so a look is one stat()."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: Stamp | None = None
        self._looked_at = float("-inf")
        self._views: tuple[View, ...] = ()
        self._names: frozenset[str] = frozenset()

    def current(self, asked_at: float | None = None) -> tuple[View, ...]:
        """The views as the file has them now; the same tuple as long as it does not change.

        For somebody who asked at `asked_at`, on the monotonic clock, a look that was taken
        since will do: a crowd of queries takes one look.
        """
        if asked_at is not None and asked_at <= self._looked_at:
            return self._views
        looked_at = time.monotonic()
        stamp = stamp_of(self._path)
        if stamp != self._stamp:
            with self._lock:
                if stamp != self._stamp:
                    self._load()
                    self._stamp = stamp
        self._looked_at = looked_at
        return self._views

    def names(self) -> frozenset[str]:
        """Lower-case names that are taken by views."""
        self.current()
        return self._names

    def _load(self) -> None:
        try:
            views = read_views(self._path.read_bytes())
        except FileNotFoundError:
            views = ()
            log.info("views file %s is gone, and its views with it", self._path)
        except (OSError, BadRequest) as error:
            said = error.strerror if isinstance(error, OSError) else error.sentence
            problem = " ".join(str(said).split())
            log.warning("views file %s is not used: %s", self._path, problem)
            kept = tuple(view for view in self._views if view.viewname != self._path.name)
            views = (*kept, View(self._path.name, "", None, f"the file is not used: {problem}"))
        else:
            self._tell(views)
        self._views = views
        self._names = frozenset(v.viewname.lower() for v in views if v.body is not None)

    def _tell(self, views: tuple[View, ...]) -> None:
        """What a file that was read holds, and what is wrong with it."""
        faults = faults_of_any({v.viewname: v.body for v in views if v.body is not None})
        broken = [view for view in views if view.body is None or view.viewname in faults]
        for view in broken:
            problem = view.error or faults[view.viewname]
            log.warning("view %s is broken: %s", shown(view.viewname), problem)
        nr_sound = len(views) - len(broken)
        log.info("views loaded file=%s views=%d broken=%d", self._path, nr_sound, len(broken))


def read_views(text: bytes) -> tuple[View, ...]:
    """Read the file's items. Raises BadRequest where it is no list of views."""
    items = read_yaml(text)
    if items is None:
        return ()
    if not isinstance(items, list):
        raise BadRequest("it must be a list of items with viewname and view")
    views: dict[str, View] = {}
    for number, item in enumerate(items, start=1):
        view = _read_item(item, number)
        key = view.viewname.lower()
        if key in views:
            view = View(view.viewname, view.definition, None, "the name is used twice in the file")
            key = f"{key} ({number})"
        views[key] = view
    return tuple(views.values())


def _read_item(item: object, number: int) -> View:
    if not isinstance(item, dict):
        return View(f"item {number}", "", None, "it must have the keys viewname and view")
    name, definition = item.get("viewname"), item.get("view")
    if not isinstance(name, str) or not isinstance(definition, str):
        # What is no text is not written out: a number of thousands of digits has none in Python.
        named = name if isinstance(name, str) else f"item {number}"
        defined = definition if isinstance(definition, str) else ""
        return View(named, defined, None, "viewname and view must both be text")
    try:
        check_tablename(name, "viewname")
        if is_table_function(name):
            raise BadRequest(f"{name} is the name of a table function of SQLite")
        return View(name, definition, read_view_sql(definition, name))
    except BadRequest as error:
        return View(name, definition, None, error.sentence)
