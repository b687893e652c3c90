"""What the command line says about every table it sends, laid over what the input says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from qasino_cli.errors import InputRejected, UsageFault, as_usage
from qasino_cli.identity import default_identity
from qasino_cli.outgoing import encode_publication, with_identity_column
from qasino_cli.readers import FORMS, HEADLESS_FORMS, Wanted
from qasino_server.errors import BadRequest
from qasino_server.message import Publish, decode_request
from qasino_server.table import Publication, check_identity, check_tablename, shown


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the command; None and False leave what the input says."""

    identity: str | None = None
    tablename: str | None = None
    form: str | None = None
    types: Mapping[str, str] = {}
    strict_names: bool = False
    skip_bad_rows: bool = False
    skip_lines: int = 0
    header: Sequence[str] = ()
    persist: bool = False
    static: bool = False
    update: bool = False
    keycols: str | None = None
    ttl_s: float | None = None
    add_identity_column: bool = False
    rejects: Path | None = None
    """Where the rows go that are passed over."""
    replace: bool = True
    """The newest rows of an identity count, not the first of the generation."""

    @property
    def wanted(self) -> Wanted:
        """What the readers have to know of it."""
        return Wanted(
            form=self.form,
            tablename=self.tablename,
            identity=self.identity or default_identity(),
            types=self.types,
            strict_names=self.strict_names,
            skip_bad_rows=self.skip_bad_rows,
            skip_lines=self.skip_lines,
            header=self.header,
        )

    @property
    def tells_how_to_read(self) -> bool:
        """Whether anything is said about how an input is read."""
        told = (self.form, self.types, self.strict_names, self.skip_bad_rows, self.skip_lines)
        return any(told) or bool(self.header)

    def check(self) -> None:
        """Raise UsageFault where options contradict each other or make no sense."""
        if self.form is not None and self.form not in FORMS:
            raise UsageFault(f"--data-format: {shown(self.form)} is not one of {', '.join(FORMS)}")
        if self.header and self.form not in (None, *HEADLESS_FORMS):
            arrays = "; of an array of arrays leave -d json away" if self.form == "json" else ""
            raise UsageFault(
                f"--header names columns where there are no names; {self.form} has its own{arrays}"
            )
        if str(self.rejects) == "-":  # which means stdout elsewhere
            raise UsageFault(
                "--rejects: - would be a file of that name; /dev/stderr shows the rows"
            )
        if self.static and (self.persist or self.update or self.ttl_s is not None):
            raise UsageFault("--static goes with none of --persist, --update and --ttl")
        if self.persist and self.ttl_s is not None:
            raise UsageFault(
                "--persist carries the rows without an end, --ttl for so long; give one of them"
            )
        if self.keycols is not None and not self.keycols.replace(";", "").strip():
            raise UsageFault(
                f"--keycols: {shown(self.keycols)} names no column; without it all columns count"
            )
        if self.identity is not None:
            as_usage("-I", check_identity, self.identity)
        if self.tablename is not None:
            as_usage("--table", check_tablename, self.tablename)

    def laid_over(self, name: str, found: Publication) -> tuple[Publication, bytes]:
        """The publication as it is to be sent, and its message; `name` is that of its input.

        Raises InputRejected where the server would refuse it, and UsageFault.
        """
        wanted = msgspec.structs.replace(
            found,
            identity=self.identity or found.identity,
            tablename=self.tablename or found.tablename,
            persist=self.persist or found.persist,
            static=self.static or found.static,
            update=self.update or found.update,
            keycols=found.keycols if self.keycols is None else tuple(self.keycols.split(";")),
            ttl_s=found.ttl_s if self.ttl_s is None else self.ttl_s,
            replace=self.replace and not (self.update or found.update),
        )
        if self.keycols is not None and not wanted.update:
            raise UsageFault("--keycols says which rows to change; it goes with --update")
        return _checked(name, wanted, self.add_identity_column)


def _checked(
    name: str, publication: Publication, add_identity_column: bool
) -> tuple[Publication, bytes]:
    """The publication and its message, once the server's rules hold for input and options."""
    try:
        if add_identity_column:
            publication = with_identity_column(publication)
        message = encode_publication(publication)
        request = decode_request(message)
    except BadRequest as error:
        raise InputRejected(f"{name}: {error.sentence}") from None
    assert isinstance(request, Publish)
    return request.publication, message
