"""The bench runs: a case of each group, as small as it goes, and its figures are figures.

What they say is not judged here, since this machine may be busy with other tests.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
CASES = (
    "fleet",
    "fleet-limit",
    "full-speed-10x5-http",
    "full-speed-1000x10-zmq",
    "csvagent",
    "csvagent-distant",
    "ingest-1000x5",
    "ingest-10x5",
    "query-small",
    "query-1000-rows",
    "aggregate",
    "stream",
    "side-by-side",
    "rotation",
    "persistent",
    "memory",
    "many-tables",
    "start",
    "completion",
    "other-datasette",
    "other-sqlite-utils",
    "other-duckdb",
)
AT_ONCE = 4
"""Most of them wait for generations to end, so they do it together."""
WITHIN_S = 240

pytestmark = pytest.mark.timeout(2 * WITHIN_S)

Told = dict[str, Any]


def bench(*words: str) -> subprocess.Popen[bytes]:
    """The bench's command line."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench", *words], cwd=ROOT, stdout=subprocess.PIPE
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What the runs together write: figures by case, and sentences where there are none."""
    place = tmp_path_factory.mktemp("bench")
    files = [place / f"{n}.json" for n in range(AT_ONCE)]
    runs = [
        bench("--tiny", "--json", str(file), *CASES[n::AT_ONCE]) for n, file in enumerate(files)
    ]
    figures: dict[str, list[Told]] = {}
    sentences: dict[str, str] = {}
    for run, file in zip(runs, files, strict=True):
        run.communicate(timeout=WITHIN_S)
        written = json.loads(file.read_bytes())
        sentences |= written["without_figures"]
        for figure in written["figures"]:
            figures.setdefault(figure["case"], []).append(figure)
    return {"figures": figures, "sentences": sentences}


@pytest.mark.parametrize("case", CASES)
def test_a_case_gives_figures(told: Told, case: str) -> None:
    sentence = told["sentences"].get(case, "")
    if sentence.startswith("skipped"):
        pytest.skip(sentence)
    assert not sentence
    for figure in told["figures"][case]:
        assert figure["name"]
        assert figure["unit"]
        assert math.isfinite(figure["figure"])
        assert (figure["goal"] is None) == (figure["met"] is None)


def test_what_is_answered_ok_is_found(told: Told) -> None:
    lost = {
        case: figure["figure"]
        for case, figures in told["figures"].items()
        for figure in figures
        if figure["name"].endswith("lost")
    }
    assert lost == {"fleet": 0, "full-speed-10x5-http": 0, "full-speed-1000x10-zmq": 0}


def test_every_case_is_listed_and_an_unknown_one_is_refused() -> None:
    listed = bench("--list").communicate(timeout=WITHIN_S)[0].decode()
    assert set(CASES) <= {line.split()[0] for line in listed.splitlines()}
    unknown = subprocess.run(
        [sys.executable, "-m", "tests.bench", "nonsense"], cwd=ROOT, capture_output=True, text=True
    )
    assert unknown.returncode == 2
    assert unknown.stderr == "no case is named nonsense; --list shows them\n"
