"""Two parts of the work in one process, ours and the other's in turn on each page: reading it, writing its records."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import trafilatura
from warcio.warcwriter import WARCWriter

from archiver.extract import Page, read_page
from benchmarks.crawl.site import make_page, make_response, path_of
from storage.capture import Capture, Spool
from storage.warc import RecordWriter, digest_capture, new_record_id

Part = Callable[[int], object]
ORIGIN = "http://127.0.0.1:8000"
DATE = datetime(2026, 11, 22, 6, 43, 21, tzinfo=UTC)
REQUEST = (
    b"GET /news/00001.html HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nAccept: text/html,*/*;q=0.8\r\nAccept-Language: en\r\n"
    b"User-Agent: article-archiver/0.1.0\r\nAccept-Encoding: gzip, deflate\r\n\r\n"
)


def compare(pages: int, passes: int) -> dict[str, list[tuple[float, float]]]:
    """Return, for each part and pass, the CPU milliseconds per page of ours and of the other."""
    htmls = [make_page(number) for number in range(pages)]
    responses = [make_response(number) for number in range(pages)]
    return {
        "reading a page": _in_turn(_reader(htmls), _trafilatura(htmls), pages, passes),
        "response and request record": _in_turn(_our_pair(responses), _warcio_pair(responses), pages, 5 * passes),
        "the same and a metadata record": _in_turn(_our_three(responses), _warcio_pair(responses), pages, 5 * passes),
    }


def _in_turn(ours: Part, theirs: Part, pages: int, passes: int) -> list[tuple[float, float]]:
    _one_pass((ours, theirs), min(pages, 5))  # imports, caches
    return [_one_pass((ours, theirs), pages) for _ in range(passes)]


def _one_pass(parts: tuple[Part, Part], pages: int) -> tuple[float, float]:
    """Do each page with both, the first to begin taking turns, because who comes second finds a warm cache."""
    spent = [0.0, 0.0]
    for number in range(pages):
        for which in (number % 2, 1 - number % 2):
            start = time.process_time()
            parts[which](number)
            spent[which] += time.process_time() - start
    return spent[0] * 1000 / pages, spent[1] * 1000 / pages


def _reader(htmls: Sequence[bytes]) -> Part:
    def read(number: int) -> object:
        url = ORIGIN + path_of(number)
        headers = (("Content-Type", "text/html; charset=utf-8"),)
        return read_page(Page(url, url, 200, headers, htmls[number], DATE))

    return read


def _trafilatura(htmls: Sequence[bytes]) -> Part:
    def read(number: int) -> object:
        url = ORIGIN + path_of(number)
        return trafilatura.bare_extraction(htmls[number].decode(), url=url, with_metadata=True)

    return read


def _our_records(responses: Sequence[bytes], *, metadata: bool) -> Part:
    records = RecordWriter("bench.warc.gz", software="bench")

    def write(number: int) -> object:
        out = io.BytesIO()
        spool = Spool()
        spool.write(responses[number])
        capture = Capture(ORIGIN + path_of(number), "GET", DATE, REQUEST, spool, ip_address="127.0.0.1")
        digests = digest_capture(capture)
        record_id = new_record_id()
        members = [
            records.response(capture, digests, record_id),
            records.request(capture, record_id, new_record_id()),
            *([records.metadata(capture, record_id, digests)] if metadata else []),
        ]
        for member in members:
            out.writelines(member.pieces)
        return out

    return write


def _our_pair(responses: Sequence[bytes]) -> Part:
    return _our_records(responses, metadata=False)


def _our_three(responses: Sequence[bytes]) -> Part:
    return _our_records(responses, metadata=True)


def _warcio_pair(responses: Sequence[bytes]) -> Part:
    def write(number: int) -> object:
        out = io.BytesIO()
        writer = WARCWriter(out, gzip=True, warc_version="1.1")
        url = ORIGIN + path_of(number)
        headers = {"WARC-IP-Address": "127.0.0.1"}
        response = writer.create_warc_record(
            url, "response", payload=io.BytesIO(responses[number]), warc_headers_dict=dict(headers)
        )
        request = writer.create_warc_record(url, "request", payload=io.BytesIO(REQUEST), warc_headers_dict=headers)
        writer.write_request_response_pair(request, response)
        return out

    return write
