"""Ask the ledger whether what the files say about each other is so."""

from __future__ import annotations

import json

from storage.verify.findings import ADD
from storage.verify.records import CLAIMED
from storage.verify.survey import Survey

# Each question answers with the segment's number and an offset, then what the message needs.

_LINES_WITHOUT_CAPTURE = """SELECT segment, offset, number FROM lines WHERE NOT EXISTS (SELECT 1 FROM records
    WHERE records.segment = lines.segment AND records.offset = lines.offset AND records.line IS NOT NULL)"""
_LINES_THAT_DIFFER = """SELECT segment, offset, number FROM lines JOIN records USING (segment, offset)
    WHERE lines.line <> records.line"""
_CAPTURES_WITHOUT_LINE = """SELECT segment, offset FROM records WHERE line IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM lines WHERE lines.segment = records.segment AND lines.offset = records.offset)"""
_SHARED_IDS = "SELECT id FROM records WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1"
_RECORDS_OF_ID = "SELECT segment, offset FROM records WHERE id = ?"
_LONE_RECORDS = """SELECT segment, offset FROM concurrent WHERE NOT EXISTS
    (SELECT 1 FROM records INDEXED BY by_id
    WHERE records.id = concurrent.id AND records.segment = concurrent.segment)"""
_DANGLING_REVISITS = """SELECT segment, offset, id, target, payload, url, date FROM revisits WHERE NOT EXISTS
    (SELECT 1 FROM records INDEXED BY by_target WHERE records.target = revisits.target AND is_whole
    AND (revisits.id IS NULL OR records.id = revisits.id)
    AND (revisits.payload IS NULL OR records.payload = revisits.payload))"""
_ORIGINAL = """SELECT type, target, is_whole, payload FROM records WHERE {0} IS NOT NULL AND {0} = ?
    AND type <> 'damaged' ORDER BY is_whole DESC LIMIT 1"""
_ARTICLE_CLAIMS = """SELECT articles.segment, articles.offset, revision, capture, articles.claim, records.claim
    FROM articles LEFT JOIN records ON records.segment = articles.segment AND records.offset = capture
    WHERE articles.claim IS NOT records.claim"""


def check_references(survey: Survey, settled: set[str]) -> None:
    """Note every reference that leads nowhere; of revisits those in the segments `settled`, by name."""
    _check_lines(survey)
    _check_ids(survey)
    _check_revisits(survey, settled)
    _check_claims(survey)


def _check_lines(survey: Survey) -> None:
    for question, what in (
        (_LINES_WITHOUT_CAPTURE, "a line leads to no capture"),
        (_LINES_THAT_DIFFER, "a line differs from its capture"),
    ):
        for number, offset, line in survey.ledger.ask(question):
            survey.note_lines(survey.numbered(number), what, detail=f"line {line}, offset {offset} of the WARC")
    for number, offset in survey.ledger.ask(_CAPTURES_WITHOUT_LINE):
        segment = survey.numbered(number)
        if not segment.is_unlisted:
            survey.note_lines(segment, "the line of a capture is missing", detail=f"offset {offset} of the WARC")


def _check_ids(survey: Survey) -> None:
    for (record_id,) in survey.ledger.ask(_SHARED_IDS):
        (first, start), *others = survey.ledger.ask(_RECORDS_OF_ID, record_id)
        for number, offset in others:
            what, detail = "another record has the same WARC-Record-ID", f"{survey.numbered(first).warc} offset {start}"
            survey.note(survey.numbered(number).warc, what, offset=offset, detail=detail)
    for number, offset in survey.ledger.ask(_LONE_RECORDS):
        segment = survey.numbered(number)
        if not segment.is_damaged:
            survey.note(segment.warc, "WARC-Concurrent-To refers to no record of this file", offset=offset)


def _check_revisits(survey: Survey, settled: set[str]) -> None:
    for number, offset, *reference in survey.ledger.ask(_DANGLING_REVISITS):
        segment = survey.numbered(number)
        if segment.is_complete and segment.name in settled:
            why = _why_dangling(survey, *reference)
            survey.note(segment.warc, f"the revisit leads to no payload; {ADD}", offset=offset, detail=why)


def _why_dangling(
    survey: Survey,
    record_id: bytes | None,
    target: bytes | None,
    payload: str | None,
    url: str | None,
    date: str | None,
) -> str:
    """Return why a revisit does not lead to its payload."""
    if target is None:
        return "it does not say which URI and date it refers to"
    column, value = ("target", target) if record_id is None else ("id", record_id)
    found = next(survey.ledger.ask(_ORIGINAL.format(column), value), None)
    if found is None:
        return f"{url} of {date} is not here"
    kind, found_target, is_whole, found_payload = found
    if kind not in ("response", "resource"):
        return f"{url} of {date} is a {kind}"
    if not is_whole:
        return f"{url} of {date} is truncated"
    if found_target != target:
        return f"WARC-Refers-To is not {url} of {date}"
    return f"its payload is {payload}, that of {url} of {date} is {found_payload}"


def _check_claims(survey: Survey) -> None:
    for number, offset, revision, capture, claimed, held in survey.ledger.ask(_ARTICLE_CLAIMS):
        segment = survey.numbered(number)
        key = segment.articles(revision)
        if held is None and segment.is_damaged:
            continue
        if held is None:
            what = "the article was read from a capture that is not there"
            survey.note(key, what, offset=offset, detail=f"offset {capture} of the WARC")
            continue
        for name, says, has in zip(CLAIMED, json.loads(claimed), json.loads(held), strict=True):
            if says != has:
                detail = f"warc.{name} is {says}, the capture's is {has}"
                survey.note(key, "the article does not fit its capture", offset=offset, detail=detail)
