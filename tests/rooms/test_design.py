"""What the design says is shown by a test is shown by one that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DESIGN = (ROOT / "qasino_server" / "DESIGN.md").read_text(encoding="utf-8")
_NAMED = re.compile(r"`((?:\w+/)+test_\w+\.py)?::(test_\w+)`")


def named_tests() -> list[tuple[str, str]]:
    """(file, test) of each test that is named; one without a file is in the last file's."""
    file, found = "", []
    for named in _NAMED.finditer(DESIGN):
        file = named[1] or file
        found.append((file, named[2]))
    return found


def test_every_test_the_design_names_exists() -> None:
    named = named_tests()
    assert len(named) > 50
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (path := ROOT / "tests" / file).is_file()
        or not re.search(rf"^def {name}\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []


def rooms_of(package: str) -> set[str]:
    """The names of its modules and packages."""
    place = ROOT / package
    packages = {path.parent.name for path in place.glob("*/__init__.py")}
    return packages | {path.stem for path in place.glob("*.py")} - {"__init__"}


def test_the_house_has_each_room_of_the_server_once() -> None:
    house = DESIGN.partition("## The house")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| \d+ \| (.*?) \|", house, re.MULTILINE)
    named = [room for cell in cells for room in re.findall(r"`(\w+)/?`", cell)]
    assert sorted(named) == sorted(rooms_of("qasino_server"))


@pytest.mark.parametrize(
    "package", ["qasino_server/database", "qasino_server/store", "qasino_cli/csvagent"]
)
def test_a_package_says_of_each_of_its_rooms_what_happens_there(package: str) -> None:
    text = (ROOT / package / "__init__.py").read_text(encoding="utf-8")
    listed = re.findall(r"^ {4}(\w+) {2,}\S", text, re.MULTILINE)
    assert sorted(listed) == sorted(rooms_of(package))
