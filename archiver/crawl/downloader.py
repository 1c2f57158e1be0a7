"""Scrapy's downloader, kept to the limits it is given."""

from __future__ import annotations

import random
from collections import deque
from time import monotonic
from typing import Any

from scrapy import Request
from scrapy.core.downloader import Downloader, Slot
from scrapy.crawler import Crawler
from scrapy.utils.asyncio import call_later

BEHIND = "behind"
"""Key of ``Request.meta``: true for what waits until nothing else of its host does, and takes no place of a page."""


class PunctualDownloader(Downloader):
    """Counts a request as under way from the moment it leaves the queue of its host, and lets a host rest.

    Scrapy 2.19 counts it one turn of the event loop later. Until then it takes the place for free, so that as soon as
    one answer is in, everything that waits for the host goes out at once, whatever ``CONCURRENT_REQUESTS_PER_DOMAIN``
    says (measured: eight requests at a time where four are allowed).
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._least_delays: dict[str, float] = {}
        self._most_at_once: dict[str, int] = {}
        self._resting: dict[str, float] = {}

    def needs_backout(self) -> bool:
        return 0 < self.total_concurrency <= sum(not request.meta.get(BEHIND) for request in self.active)

    def set_pace(self, host: str, *, delay: float | None = None, at_once: int | None = None) -> None:
        """Give a host a delay and a number of requests at once of its own; ``None`` is as for all hosts."""
        own = self.per_slot_settings.setdefault(host, {})
        own.update({"delay": delay} if delay is not None else {})
        own.update({"concurrency": at_once} if at_once is not None else {})

    def keep_apart(self, host: str, seconds: float, *, at_once: int = 1) -> None:
        """Let at least so many seconds pass between two requests to a host, and run at most `at_once` of them."""
        self._least_delays[host] = max(seconds, self._least_delays.get(host, 0.0))
        self._most_at_once[host] = min(at_once, self._most_at_once.get(host, at_once))
        if isinstance(slot := self.slots.get(host), _HostSlot):
            self._bound(host, slot)

    def let_rest(self, host: str, seconds: float) -> None:
        """Send nothing to a host for so many seconds; what is asked of it meanwhile waits."""
        self._resting[host] = max(monotonic() + seconds, self._resting.get(host, 0.0))
        if isinstance(slot := self.slots.get(host), _HostSlot):
            self._put_to_rest(host, slot)

    def dismiss(self, host: str, error: Exception) -> None:
        """Fail everything that waits for a host with `error`."""
        if (slot := self.slots.get(host)) is not None:
            while slot.queue:
                _, answer = deque.popleft(slot.queue)  # it never left
                answer.errback(error)

    def _get_slot(self, *arguments: Any) -> tuple[str, Slot]:
        key, slot = super()._get_slot(*arguments)
        if not isinstance(slot, _HostSlot):
            self.slots[key] = slot = _HostSlot(slot.concurrency, slot.delay, slot.jitter)
            self._bound(key, slot)
            self._put_to_rest(key, slot)
        return key, slot

    def _bound(self, host: str, slot: _HostSlot) -> None:
        slot.least_delay = self._least_delays.get(host, 0.0)
        slot.concurrency = min(slot.concurrency, self._most_at_once.get(host, slot.concurrency))

    def _put_to_rest(self, host: str, slot: Slot) -> None:
        left = self._resting.get(host, 0.0) - monotonic()
        if left > 0:
            if slot.latercall:
                slot.latercall.cancel()
            slot.latercall = call_later(left, self._latercall, slot)


class _HostSlot(Slot):
    """The requests of one host."""

    def __init__(self, concurrency: int, delay: float, jitter: float) -> None:
        super().__init__(concurrency, delay, jitter)
        self.queue = _CountingQueue(self.transferring)
        self.least_delay = 0.0
        """Seconds; what robots.txt asks for may be exceeded, but not by chance undercut."""

    def download_delay(self) -> float:
        least = self.least_delay * random.uniform(1.0, 1.2) if self.least_delay else 0.0
        return max(least, super().download_delay())


class _CountingQueue(deque[tuple[Request, Any]]):
    """The waiting requests of one host, those behind the others last; what is taken out counts as transferring."""

    def __init__(self, transferring: set[Request]) -> None:
        super().__init__()
        self._transferring = transferring

    def append(self, waiting: tuple[Request, Any]) -> None:
        place = len(self)
        if not waiting[0].meta.get(BEHIND):
            while place and self[place - 1][0].meta.get(BEHIND):
                place -= 1
        self.insert(place, waiting)

    def popleft(self) -> tuple[Request, Any]:
        request, answer = super().popleft()
        self._transferring.add(request)
        return request, answer
