"""wrk as the client: it costs a tenth of what one in Python does.

Debian's, with a Lua script that hands out bytes made beforehand. It counts whole seconds, so
it is ended by a signal and tells how long it really took.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import msgspec

from tests.bench.bodies import Template
from tests.bench.registry import Skipped

_LONG_S = 600
_LEAST_S = 0.3
"""It looks at the clock every 0.1 s."""
_CROWD_S = 5.0
_PATIENCE_S = 30.0
"""Also of wrk for an answer. With its own 2 s it calls connections of a crowd of 512 broken, those
to the bare uvicorn as well, where six other processes are busy on the two processors."""
_DONE = """
done = function(summary, latency)
  if summary.requests == 0 then latency = { percentile = function() return 0 end } end
  local e = summary.errors
  io.write(string.format(
    '\\n{"answered":%d,"took_s":%f,"p50_ms":%f,"p99_ms":%f,"refused":%d,"broken":%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.status, e.connect + e.read + e.write + e.timeout))
end
"""


class WrkDone(msgspec.Struct, frozen=True):
    """What wrk tells."""

    answered: int
    took_s: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int

    @property
    def rate(self) -> float:
        """Answers/s."""
        return self.answered / self.took_s


def need_wrk() -> None:
    """Raise Skipped where there is none."""
    if shutil.which("wrk") is None:
        raise Skipped("wrk is not here; apt-get install wrk")


def always(request: bytes) -> str:
    """A script that sends the same request."""
    return f"local r = {_lua(request)}\nrequest = function() return r end\n{_DONE}"


def numbered(request: Template, begins: int = 0) -> str:
    """A script whose requests count from there."""
    return f"""
local before, after, n = {_lua(request.before)}, {_lua(request.after)}, {begins - 1}
request = function()
  n = n + 1
  return before .. string.format("%08d", n) .. after
end
{_DONE}"""


def wrk(port: int, script: str, connections: int, seconds: float) -> WrkDone:
    """Run a script for about so long; longer where a crowd has not even connected by then.

    Raises RuntimeError where anything was refused.
    """
    said, done = _run(port, script, connections, seconds)
    if not (done.answered or done.refused or done.broken):
        said, done = _run(port, script, connections, _CROWD_S)
    if done.refused or done.broken or not done.answered:
        raise RuntimeError(f"wrk: {said}")
    return done


def _run(port: int, script: str, connections: int, seconds: float) -> tuple[str, WrkDone]:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        times = f"-d{_LONG_S}s", f"--timeout={_PATIENCE_S:.0f}s"
        command = ["wrk", "-t1", f"-c{connections}", *times, "-s", file.name]
        process = subprocess.Popen(
            [*command, f"http://127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True
        )
        _wait_until_it_listens_to_signals(process)
        time.sleep(max(_LEAST_S, seconds))
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=_PATIENCE_S)[0]
    return said, msgspec.convert(json.loads(said.strip().splitlines()[-1]), WrkDone)


def _wait_until_it_listens_to_signals(process: subprocess.Popen[str]) -> None:
    """Until SIGINT ends it with its figures, not without a word."""
    ends = time.monotonic() + _PATIENCE_S
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None and time.monotonic() < ends:
        caught = int(status.read_text().partition("SigCgt:")[2].split()[0], 16)
        if caught >> (signal.SIGINT - 1) & 1:
            return
        time.sleep(0.005)
    raise RuntimeError("wrk does not begin")


def _lua(text: bytes) -> str:
    """As a string of Lua; a long one in [[ ]] would change line ends."""
    plain = set(range(32, 127)) - {ord('"'), ord("\\")}
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03d}" for b in text) + '"'
