"""Replays an archive with pywb, a second opinion that shares no code with ours.

pywb runs as a separate process from an environment of its own, which ``make pywb`` creates.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

START_LIMIT = 60.0
"""Seconds pywb may take to its first answer; it needs about 7 on a busy machine."""


class Pywb:
    """Serves ``archive`` (a directory with ``warc/**/*.warc.gz``) for as long as the context lasts.

    pywb makes its own index and reads the WARC files where they lie. Captures added later are not seen.

    >>> with Pywb(tmp_path / "archive") as pywb:  # doctest: +SKIP
    ...     status, headers, body = pywb.raw("https://example.com/", "20190207182100")
    """

    def __init__(self, archive: Path) -> None:
        self._warcs = archive.resolve() / "warc"
        self._bin = _environment() / "bin"
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self._home = tempfile.TemporaryDirectory(prefix="pywb-")
        home = Path(self._home.name)
        try:
            self._make_collection(home)
            self._start(home)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def raw(self, url: str, timestamp: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        """What pywb replays unrewritten for ``url`` at the capture nearest to ``timestamp`` (14 digits)."""
        return self._get(f"/coll/{timestamp}id_/{url}")

    def cdx(self, url: str, **parameters: str) -> list[str]:
        """pywb's CDXJ lines for ``url``, oldest first; ``parameters`` such as ``matchType`` go to its CDX server."""
        query = urllib.parse.urlencode({"url": url, **parameters})
        status, _, body = self._get(f"/coll/cdx?{query}")
        assert status == 200, body
        return body.decode().splitlines()

    def _get(self, target: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def _make_collection(self, home: Path) -> None:
        index = home / "index.cdxj"
        command = [str(self._bin / "cdx-indexer"), "--cdxj", "--sort", "--recurse", "--output", str(index)]
        subprocess.run([*command, str(self._warcs)], cwd=home, check=True, capture_output=True, timeout=120)
        config = f"collections:\n  coll:\n    archive_paths: {self._warcs}/\n    index_paths: {index}\n"
        (home / "config.yaml").write_text(config)

    def _start(self, home: Path) -> None:
        self._port = _free_port()
        command = [str(self._bin / "wayback"), "-b", "127.0.0.1", "-p", str(self._port)]
        with (home / "log").open("wb") as log:
            self._process = subprocess.Popen(command, cwd=home, stdout=log, stderr=subprocess.STDOUT)
        limit = time.monotonic() + START_LIMIT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"pywb does not answer:\n{(home / 'log').read_text()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            self._get("/coll/cdx?url=about:blank")
        except (OSError, http.client.HTTPException):
            return False
        return True

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._home.cleanup()


def _environment() -> Path:
    """pywb's virtual environment; the test is skipped without one, or fails when all tests are asked for."""
    named = os.environ.get("ARCHIVER_PYWB")
    path = Path(named) if named else Path(__file__).parents[2] / ".venv-pywb"
    if not (path / "bin" / "wayback").exists():
        tell = pytest.fail if os.environ.get("ARCHIVER_TEST_ALL") else pytest.skip
        tell(f"pywb is not in {path}; `make pywb` installs it, or ARCHIVER_PYWB names another environment")
    return path.resolve()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
