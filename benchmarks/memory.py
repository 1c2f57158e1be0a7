"""The memory of a process and of all it has started, sampled while it runs (Linux)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Memory:
    """Bytes a process tree had at each look, pages that processes share counted once (PSS)."""

    samples: list[int] = field(default_factory=list)

    @property
    def peak(self) -> int:
        return max(self.samples, default=0)

    def of_part(self, start: float, end: float) -> int:
        """Return the most bytes between two shares of the time, such as 0.5 and 1."""
        count = len(self.samples)
        return max(self.samples[int(start * count) : int(end * count) + 1], default=0)


@contextlib.contextmanager
def watch(process: int, *, every: float = 0.5) -> Iterator[Memory]:
    """Look at the memory of a process tree every so many seconds."""
    memory, done = Memory(), threading.Event()

    def look() -> None:
        while not done.wait(every):
            memory.samples.append(sum(map(_share, tree(process))))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield memory
    finally:
        done.set()
        thread.join()


def tree(process: int) -> Iterator[int]:
    """Yield a process and its descendants, as far as they still live."""
    yield process
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                yield from tree(int(child))


def _share(process: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
