"""What pages that only wait cost a server: `python -m tests.bench.events [PAGES] [GENERATIONS]`.

Opens connections to /events of a server in a process of its own and lets generations pass:
memory and processor time for each page, and how long it takes until the last one knows.
"""

from __future__ import annotations

import resource
import selectors
import socket
import sys
import time

from tests.bench.processes import Host
from tests.bench.resources import anonymous_bytes, cpu_s

WAIT_S = 60.0


def connect(port: int, pages: int) -> list[socket.socket]:
    """Connections that have heard the greeting."""
    made = []
    for _ in range(pages):
        page = socket.create_connection(("127.0.0.1", port), WAIT_S)
        page.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        made.append(page)
    hear(made, b"event: now")
    return made


def hear(pages: list[socket.socket], words: bytes) -> None:
    """Read until each has been told that."""
    ends = time.monotonic() + WAIT_S
    with selectors.DefaultSelector() as selector:
        for page in pages:
            selector.register(page, selectors.EVENT_READ, bytearray())
        while selector.get_map():
            assert time.monotonic() < ends, f"{len(selector.get_map())} pages were not told"
            for key, _ in selector.select(1):
                key.data.extend(key.fileobj.recv(65536))  # type: ignore[union-attr]
                if words in key.data:
                    selector.unregister(key.fileobj)


def main() -> None:
    """Measure and print."""
    pages = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    generations = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    host = Host()
    host.rotate()
    bare_bytes = anonymous_bytes(host.pid)
    bare_s = cost(host, [], generations)[0]
    opened = connect(host.ports["http"], pages)
    each_bytes = (anonymous_bytes(host.pid) - bare_bytes) / pages
    told_s, waited_s = cost(host, opened, generations)
    print(f"{pages} pages: {each_bytes / 1024:.1f} KiB each")
    print(f"a generation: {told_s * 1000:.1f} ms of a processor, {bare_s * 1000:.1f} without pages")
    print(f"until the last page knows: {waited_s * 1000:.0f} ms")
    for page in opened:
        page.close()
    host.close()


def cost(host: Host, pages: list[socket.socket], generations: int) -> tuple[float, float]:
    """Processor time of a generation, and the time until all pages have been told, seconds."""
    began_s, waited_s = cpu_s(host.pid), 0.0
    for _ in range(generations):
        began = time.perf_counter()
        host.rotate()
        hear(pages, b"event: generation")
        waited_s += time.perf_counter() - began
    return (cpu_s(host.pid) - began_s) / generations, waited_s / generations


if __name__ == "__main__":
    main()
