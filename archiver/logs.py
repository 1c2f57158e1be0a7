"""Log lines on standard error: what a person has to know, or everything."""

from __future__ import annotations

import logging
import sys

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
