"""The console script. `--version` and a shell's TAB are answered before anything is imported that
takes time.

What is imported stays to the end and is no garbage. Python would look through it for some a
hundred times while it grows, and three times more when it ends: a quarter of a short command.
So the collector pauses meanwhile, and what has been imported then is frozen: for good, out of its
sight. That a long-lived command collects less ever after is welcome.
"""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    gc.disable()  # until `commands` has the room of the command that is meant
    if sys.argv[1:] in (["--version"], ["-V"]):
        from qasino_cli import __version__

        try:
            if sys.stdout is None:
                from qasino_cli.console import closed

                raise closed()
            print(f"qasino {__version__}", flush=True)
        except OSError as error:
            from qasino_cli.console import unwritten

            sys.exit(unwritten(error))
        return
    if sys.argv[1:2] == ["__complete"]:
        from qasino_cli import complete_hook

        complete_hook.main(sys.argv[2:])
        gc.freeze()
        return
    try:
        from qasino_cli.commands import run

        gc.freeze()
        run()
    except KeyboardInterrupt:  # before a command is there to end in its own way
        sys.exit(130)


if __name__ == "__main__":
    main()
