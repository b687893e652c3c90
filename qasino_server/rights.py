"""What one caller may do: roles and identities, and the sentence for what they may not.

    read      queries, the list of tables, the end of their own queries
    publish   tables, under the identities that are theirs
    static    static tables too (with publish)
    admin     drop tables (or what identities that are theirs have in them), end the queries of
              others

Whoever may publish without users being asked for may do everything: `ANYBODY`. Values only; who
somebody is, is found out elsewhere.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

import msgspec

from qasino_server.errors import Forbidden
from qasino_server.table import Publication, shown

ROLES = ("read", "publish", "static", "admin")


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """The rights of one caller."""

    name: str | None = None
    """The user, None where nobody has to say who they are."""
    roles: frozenset[str] = frozenset(ROLES)
    identities: tuple[str, ...] = ("*",)
    """Shell patterns of the identities they may publish under."""
    why_less: str | None = None
    """Where roles were taken away for this request: why."""

    def require(self, role: str, deed: str) -> None:
        """Raise Forbidden where the role is missing; `deed` is what it is needed for."""
        if role in self.roles:
            return
        if self.why_less is not None:
            raise Forbidden(f"{self.why_less}: it may not {deed}")
        raise Forbidden(f"user {self.name} may not {deed}: that takes the role {role}")

    def check_publication(self, publication: Publication) -> None:
        """Raise Forbidden where this caller may not send that table."""
        if self is ANYBODY:
            return
        self.require("publish", "publish tables")
        if publication.static:
            self.require("static", "publish static tables")
        self.check_identity(publication.identity)

    def check_drop(self, identity: str | None) -> None:
        """Raise Forbidden where this caller may not end a table, or what an identity has in it."""
        self.require("admin", "drop tables")
        if identity is not None:
            self.check_identity(identity)
        elif "*" not in self.identities:
            raise Forbidden(
                f"user {self.name} may drop what their identities have in a table"
                f" ({', '.join(self.identities) or 'none'}), not a whole one"
            )

    def check_identity(self, identity: str) -> None:
        """Raise Forbidden where the identity is not theirs to speak for."""
        if "*" in self.identities:
            return
        if not any(fnmatchcase(identity, pattern) for pattern in self.identities):
            theirs = ", ".join(self.identities) or "none"
            raise Forbidden(
                f"user {self.name} may not publish as {shown(identity)}; their identities are"
                f" {theirs}"
            )

    def owns(self, user: str | None) -> bool:
        """Whether what that user began is theirs to end; not by a page of another site."""
        own = user is not None and user == self.name and self.why_less is None
        return own or "admin" in self.roles


ANYBODY = Rights()
"""A caller where no users are asked for."""


def reading_only(rights: Rights, why: str) -> Rights:
    """The same caller with nothing but `read` left, and the reason."""
    return msgspec.structs.replace(rights, roles=rights.roles & {"read"}, why_less=why)
