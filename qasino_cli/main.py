"""The console script. `--version` and a shell's TAB are answered before anything is imported that
takes time."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from qasino_cli import __version__

        print(f"qasino {__version__}")
        return
    if sys.argv[1:2] == ["__complete"]:
        from qasino_cli import complete_hook

        complete_hook.main(sys.argv[2:])
        return
    try:
        from qasino_cli.commands import run

        run()
    except KeyboardInterrupt:  # before a command is there to end in its own way
        sys.exit(130)


if __name__ == "__main__":
    main()
