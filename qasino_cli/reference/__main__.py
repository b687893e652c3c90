"""Write `completions/` and `man/` of the checkout, or compare them: --check."""

from __future__ import annotations

import sys
from pathlib import Path

from qasino_cli.reference.completions import bash, fish, zsh
from qasino_cli.reference.man import main_page, page
from qasino_cli.reference.tree import PROGRAM, commands

TOP = Path(__file__).parent.parent.parent


def files() -> dict[str, str]:
    """What the tree makes: path under the top of the checkout -> text."""
    tree = commands()
    made = {
        f"completions/{PROGRAM}": bash(tree),
        f"completions/_{PROGRAM}": zsh(tree),
        f"completions/{PROGRAM}.fish": fish(tree),
        f"man/{PROGRAM}.1": main_page(tree) + "\n",
    }
    return made | {f"man/{PROGRAM}-{c.name}.1": page(c) + "\n" for c in tree}


def main(arguments: list[str]) -> int:
    """0 where all is as it should be, 1 where --check finds a difference."""
    stale = []
    for name, text in files().items():
        path = TOP / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in arguments:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for name in stale:
        print(name)
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
