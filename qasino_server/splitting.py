"""Text -> statements, wherever it comes from and however it is cut.

Reading takes time that grows with the text and no faster: in the patterns quantifiers are
possessive where they nest or follow each other.
"""

from __future__ import annotations

import io
import re

_PLAIN_TEXT = r"(?:[^'\"`\[{}/-]++|-(?=[^-])|/(?=[^*]))*+"
"""What opens nothing, up to a mark."""
_CLOSERS = {"'": "'", '"': '"', "`": "`", "[": "]", "--": "\n", "/*": "*/"}
"""What opens a string, a name or a comment, and what ends it. A doubled quote reads as two
strings, side by side."""
BLANKS = r"(?:\s++|--[^\n]*+(?:\n|\Z)|/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/)"
"""As SQLite reads it: a blank or a comment, each in one way only, whatever follows."""


class Scan:
    """Looks for what ends a statement, in text that may come in pieces of any size.

    The text is read as SQLite reads it: a mark in quotes, in brackets or in a comment is none.
    """

    def __init__(self, marks: str = ";") -> None:
        """`marks` are the characters to stop at."""
        self._marks = marks
        self._plain = re.compile(_PLAIN_TEXT.format(re.escape(marks)))
        self.text = ""
        self.seen = 0
        """How much of the text has been read."""
        self.closer = ""
        """What ends the string, name or comment we are in."""
        self.says_something = False
        """Whether more than blanks and comments has been read; the caller takes it back."""

    def read_on(self) -> bool:
        """Read up to the next mark; False where there is none yet."""
        while True:
            if self.closer and not self._read_to_closer():
                return False
            begins = self.seen
            found = self._plain.match(self.text, begins)
            self.seen = found.end() if found is not None else begins
            if not self.says_something and self.seen > begins:
                self.says_something = not self.text[begins : self.seen].isspace()
            mark = self.text[self.seen : self.seen + 2]
            if mark and mark[0] in self._marks:
                return True
            if not self._open(mark):
                return False

    def _open(self, mark: str) -> bool:
        """Enter a string, a name or a comment; False where more has to come to tell."""
        comment = mark in ("--", "/*")
        opener = mark if comment else mark[:1]
        if opener not in _CLOSERS:
            return False
        self.closer = _CLOSERS[opener]
        self.seen += len(opener)
        self.says_something = self.says_something or not comment
        return True

    def _read_to_closer(self) -> bool:
        place = self.text.find(self.closer, self.seen)
        if place < 0:
            # A part of `*/` may have come.
            self.seen = max(self.seen, len(self.text) - len(self.closer) + 1)
            return False
        self.seen = place + len(self.closer)
        self.closer = ""
        return True


class Splitter:
    """Text as it comes, in pieces of any size -> whole statements.

    Each character is looked at once, however the text is cut: one that comes byte by byte
    costs no more than one that comes whole.
    """

    def __init__(self) -> None:
        self._scan = Scan()
        self._read = io.StringIO()
        """What has been read of a statement that has begun; it grows without being copied."""
        self._has_begun = False

    @property
    def rest(self) -> str:
        """What has come of a statement whose `;` has not; '' where that is blanks and comments."""
        return self._read.getvalue() + self._scan.text if self._has_begun else ""

    @property
    def rest_chars(self) -> int:
        """Its length, which costs nothing to ask for."""
        return self._read.tell() + len(self._scan.text) if self._has_begun else 0

    def feed(self, text: str) -> list[str]:
        """The statements that are complete with this text, without their `;`."""
        scan = self._scan
        scan.text += text
        statements: list[str] = []
        begins = 0
        while scan.read_on():
            begun = self._taken()
            if scan.says_something:
                statements.append((begun + scan.text[begins : scan.seen]).strip())
            scan.says_something = False
            scan.seen += 1
            begins = scan.seen
        self._keep(begins)
        return statements

    def _taken(self) -> str:
        begun = self._read.getvalue()
        if begun:
            self._read = io.StringIO()
        return begun

    def _keep(self, begins: int) -> None:
        """Keep what follows the last statement; of a mere comment that it has begun."""
        scan = self._scan
        tail = scan.text[scan.seen :]
        self._has_begun = scan.says_something or bool(tail and not scan.closer)
        if self._has_begun:
            self._read.write(scan.text[begins : scan.seen])
            scan.text, scan.seen = tail, 0
            return
        self._taken()
        opener = {"\n": "--", "*/": "/*"}.get(scan.closer, "")
        scan.text, scan.seen = opener + tail, len(opener)
