"""Log lines on standard error: what a person has to know, or everything."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_CHATTY = ("scrapy", "twisted", "filelock", "asyncio", "py.warnings", "trafilatura", "htmldate", "boto", "urllib3")
"""Libraries that log as errors what the commands report in a line of their own."""


def set_up_logs(*, verbose: bool, quiet_level: int = logging.ERROR) -> None:
    """Log to standard error: everything from INFO on when `verbose`, else our own lines from `quiet_level` on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    handler.setLevel(logging.INFO if verbose else quiet_level)
    if not verbose:  # on the handler, because Scrapy sets the levels of loggers anew
        handler.addFilter(lambda record: not record.name.startswith(_CHATTY))
    logging.getLogger().handlers[:] = [handler]
    logging.getLogger().setLevel(handler.level)
    logging.captureWarnings(True)


def set_up_service_logs(*, as_json: bool, verbose: bool, quiet: bool) -> None:
    """Log what a service does to standard error, a line with its time for each event; as JSON objects if asked for."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if as_json else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = logging.WARNING if quiet else logging.INFO
    handler.setLevel(level)
    ours = ("archiver", "storage") if verbose else ("archiver.crawl.daemon", "archiver.crawl.health")
    handler.addFilter(
        lambda record: (
            record.name.startswith(ours) or (record.levelno >= logging.ERROR and not record.name.startswith(_CHATTY))
        )
    )
    logging.getLogger().handlers[:] = [handler]
    logging.getLogger().setLevel(level)


class _JsonLines(logging.Formatter):
    """A log line as a JSON object: ``time, level, logger, message``, and ``error`` where there was one."""

    def format(self, record: logging.LogRecord) -> str:
        facts = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            facts["error"] = self.formatException(record.exc_info)
        return json.dumps(facts, ensure_ascii=False)
