"""`python -m tests.bench [CASE ..]`: every figure of the goals, in a table and a JSON file.

Ratios are taken in one run: in every round the reference and each case take their turn, and
the medians over the rounds are compared. Servers run in processes of their own, everything is
on 127.0.0.1, and clients and servers share two cores.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from msgspec.structs import replace

from tests.bench import machine, printer
from tests.bench.cases import CASES
from tests.bench.figures import Figure
from tests.bench.json_file import write_json
from tests.bench.plan import TINY, Plan
from tests.bench.registry import Case, Skipped, chosen

log = logging.getLogger("tests.bench")

_SETTABLE = {
    "seconds": "seconds a case and round",
    "rounds": "rounds, of which the median counts",
    "shrink": "divide large numbers of rows, tables and files by this",
    "fleet_identities": "identities that publish in every generation",
    "fleet_generations": "generations in which nothing may be lost",
    "fleet_duration_s": "seconds a generation of the fleet lasts",
    "fleet_queries_per_s": "queries beside the fleet",
    "limit_duration_s": "seconds a generation lasts while the fleet's limit is sought",
    "rotation_s": "seconds between rotations at full speed",
}


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "case", nargs="*", help="a name, its beginning or a pattern; all by default"
    )
    parser.add_argument("--list", action="store_true", help="show the cases")
    parser.add_argument(
        "--json", type=Path, default=Path("bench.json"), help="the file (%(default)s)"
    )
    parser.add_argument("--tiny", action="store_true", help="everything once, as small as it goes")
    for name, what in _SETTABLE.items():
        default = getattr(Plan(), name)
        flag = "--" + name.removesuffix("_s").removesuffix("_per").replace("_", "-")
        parser.add_argument(
            flag, dest=name, type=type(default), help=f"{what} ({default})", metavar="N"
        )
    return parser.parse_args(words)


def plan_of(options: argparse.Namespace) -> Plan:
    """What the command line asks for."""
    said = {name: getattr(options, name) for name in _SETTABLE}
    given = {name: value for name, value in said.items() if value is not None}
    return replace(TINY if options.tiny else Plan(), **given)


def run(cases: list[Case], plan: Plan) -> tuple[list[Figure], dict[str, str]]:
    """Every figure, printed as it comes; and by case the sentence why there are none."""
    figures: list[Figure] = []
    sentences: dict[str, str] = {}
    for case in cases:
        printer.print_case(case.name, case.title)
        try:
            for figure in case.run(plan):
                figures.append(replace(figure, case=case.name))
                printer.print_figure(figure)
        except Skipped as reason:
            sentences[case.name] = f"skipped: {reason}"
        except Exception as error:  # the other cases are still worth running
            log.exception("%s failed", case.name)
            sentences[case.name] = f"failed: {error!r}"
        if case.name in sentences:
            printer.print_sentence(sentences[case.name])
    return figures, sentences


def main() -> int:
    """Run what is asked for; 1 where a case failed, 2 for a name that is none."""
    options = arguments()
    if options.list:
        for case in CASES:
            print(f"{case.name:<24} {case.title}")
        return 0
    try:
        cases = chosen(CASES, options.case)
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    machine.keep_to_two_cores()
    facts, plan = machine.facts(), plan_of(options)
    printer.print_head(facts)
    figures, sentences = run(cases, plan)
    printer.print_end(figures)
    write_json(options.json, facts, plan, figures, sentences)
    return any(sentence.startswith("failed") for sentence in sentences.values())


if __name__ == "__main__":
    logging.basicConfig()
    sys.exit(main())
