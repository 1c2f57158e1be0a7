"""Jobs that outlive the process that asked for them: a table in the file of the index, which rebuilding leaves alone.

A job is ``queued`` until a worker claims it, ``running`` while that worker says so again and again, and in the end
``done`` or ``failed``. At most one job of a lock runs at a time, so two crawls of one host never meet. A worker that
falls silent loses its job to the next one, which makes every job run at least once; what jobs do must bear that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from storage.database import Database

State = Literal["queued", "running", "done", "failed"]

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
        subject TEXT NOT NULL, lock TEXT, arguments TEXT NOT NULL, priority INTEGER NOT NULL,
        due REAL NOT NULL, created REAL NOT NULL,
        state TEXT NOT NULL, worker TEXT, seen REAL, started REAL, finished REAL, attempts INTEGER NOT NULL,
        result TEXT)""",
    "CREATE INDEX IF NOT EXISTS jobs_waiting ON jobs (priority, due) WHERE state = 'queued'",
    "CREATE UNIQUE INDEX IF NOT EXISTS jobs_running ON jobs (lock) WHERE state = 'running' AND lock IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS jobs_finished ON jobs (finished) WHERE state IN ('done', 'failed')",
    "CREATE INDEX IF NOT EXISTS jobs_of ON jobs (kind, subject, started)",
)
TABLE = "jobs"
SILENCE = timedelta(seconds=60)
"""After so long without a word a worker is taken for dead."""
MOST_ATTEMPTS = 3
"""Times a job is begun; one that takes its worker down each time is not tried for ever."""
KEPT = timedelta(days=30)
"""How long finished jobs can be asked for."""

_COLUMNS = """id, kind, subject, lock, arguments, priority, due, created, state, worker, seen, started, finished,
    attempts, result"""
_CLAIM = f"""
    SELECT number, {_COLUMNS} FROM jobs WHERE state = 'queued' AND due <= ? AND kind IN ({{}})
    AND (lock IS NULL OR NOT EXISTS (SELECT 1 FROM jobs AS other WHERE other.lock = jobs.lock
        AND other.state = 'running'))
    ORDER BY priority, due, number LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work somebody asked for."""

    id: str
    kind: str
    subject: str
    """What it is about: a URL, the name of a site."""
    lock: str | None
    arguments: Mapping[str, Any]
    priority: int
    """Lower is sooner."""
    due: datetime
    created: datetime
    state: State
    worker: str | None = None
    seen: datetime | None = None
    """When its worker was last heard of."""
    started: datetime | None = None
    finished: datetime | None = None
    attempts: int = 0
    result: Any = None
    """What the worker left, of whatever shape JSON has; for a failed job ``{"error": …}``."""


class Jobs:
    """The queue of one archive, for any number of processes on this machine."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self,
        kind: str,
        subject: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        lock: str | None = None,
        priority: int = 0,
        due: datetime | None = None,
        once: bool = False,
    ) -> str:
        """Queue a job and return its id; with `once`, the id of such a job that waits already."""
        now = _now()
        with self._database.writing() as db:
            if once:
                question = "SELECT id FROM jobs WHERE kind = ? AND subject = ? AND state = 'queued' LIMIT 1"
                if waiting := db.execute(question, (kind, subject)).fetchone():
                    return str(waiting[0])
            identifier = str(uuid4())
            values = (identifier, kind, subject, lock, json.dumps(dict(arguments or {})), priority)
            db.execute(
                "INSERT INTO jobs (id, kind, subject, lock, arguments, priority, due, created, state, attempts) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', 0)",
                (*values, _seconds(due or now), _seconds(now)),
            )
        return identifier

    def claim(self, worker: str, kinds: Sequence[str], *, now: datetime | None = None) -> Job | None:
        """Return the job to do next, now running under the name `worker`; ``None`` when there is none to do."""
        moment = _seconds(now or _now())
        with self._database.writing() as db:
            row = db.execute(_CLAIM.format(", ".join("?" * len(kinds))), (moment, *kinds)).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE jobs SET state = 'running', worker = ?, seen = ?, started = ?, attempts = attempts + 1 "
                "WHERE number = ?",
                (worker, moment, moment, row[0]),
            )
            return _job(db.execute(f"SELECT {_COLUMNS} FROM jobs WHERE number = ?", (row[0],)).fetchone())

    def touch(self, job: str, worker: str) -> bool:
        """Say that a worker is still at a job; ``False`` when the job was taken from it."""
        with self._database.writing() as db:
            question = "UPDATE jobs SET seen = ? WHERE id = ? AND worker = ? AND state = 'running'"
            return db.execute(question, (_seconds(_now()), job, worker)).rowcount == 1

    def finish(self, job: str, result: Any, *, failed: bool = False) -> None:
        """End a job, with what came of it."""
        with self._database.writing() as db:
            db.execute(
                "UPDATE jobs SET state = ?, finished = ?, result = ? WHERE id = ? AND state IN ('queued', 'running')",
                ("failed" if failed else "done", _seconds(_now()), json.dumps(result), job),
            )

    def give_back(self, job: str, *, due: datetime | None = None, counts: bool = True) -> None:
        """Queue a running job again; with `counts` false, as if it had never been begun."""
        with self._database.writing() as db:
            db.execute(
                "UPDATE jobs SET state = 'queued', worker = NULL, due = ?, attempts = attempts - ? "
                "WHERE id = ? AND state = 'running'",
                (_seconds(due or _now()), 0 if counts else 1, job),
            )

    def rescue(self, *, now: datetime | None = None, worker: str | None = None) -> list[str]:
        """Queue the jobs of dead workers again, and give up those that were begun too often; return their ids.

        Dead is who has been silent, or whom the caller names by the beginning of its name.
        """
        moment = now or _now()
        chosen = "seen < ?" if worker is None else "substr(worker, 1, length(?)) = ?"
        values = (_seconds(moment - SILENCE),) if worker is None else (worker, worker)
        with self._database.writing() as db:
            rows = db.execute(f"SELECT id, attempts FROM jobs WHERE state = 'running' AND {chosen}", values).fetchall()
            for job, attempts in rows:
                if attempts >= MOST_ATTEMPTS:
                    error = json.dumps({"error": f"its worker died {attempts} times"})
                    db.execute(
                        "UPDATE jobs SET state = 'failed', finished = ?, result = ? WHERE id = ?",
                        (_seconds(moment), error, job),
                    )
                else:
                    db.execute("UPDATE jobs SET state = 'queued', worker = NULL WHERE id = ?", (job,))
        return [job for job, _ in rows]

    def get(self, job: str) -> Job | None:
        """Return a job; ``None`` when there is none of this id, or none any more."""
        with self._database.reading() as db:
            row = db.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job,)).fetchone()
        return None if row is None else _job(row)

    def waiting(self, kind: str | None = None, *, limit: int = 1000) -> list[Job]:
        """Return the jobs that are queued or running, in the order in which they will be done."""
        question = f"""SELECT {_COLUMNS} FROM jobs WHERE state IN ('queued', 'running') AND ? IN (kind, '')
            ORDER BY state DESC, priority, due, number LIMIT ?"""
        with self._database.reading() as db:
            return [_job(row) for row in db.execute(question, (kind or "", limit))]

    def last_started(self, kind: str) -> dict[str, datetime]:
        """Return when a job of this kind was last begun, by subject."""
        question = "SELECT subject, max(started) FROM jobs WHERE kind = ? AND started IS NOT NULL GROUP BY subject"
        with self._database.reading() as db:
            rows = db.execute(question, (kind,)).fetchall()
        return {subject: datetime.fromtimestamp(started, UTC) for subject, started in rows}

    def last_of(self, kind: str, subject: str) -> Job | None:
        """Return the job about `subject` that was begun last; ``None`` when none was."""
        question = f"""SELECT {_COLUMNS} FROM jobs WHERE kind = ? AND subject = ? AND started IS NOT NULL
            ORDER BY started DESC LIMIT 1"""
        with self._database.reading() as db:
            row = db.execute(question, (kind, subject)).fetchone()
        return None if row is None else _job(row)

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the number of jobs by kind and state."""
        with self._database.reading() as db:
            rows = db.execute("SELECT kind, state, count(*) FROM jobs GROUP BY 1, 2").fetchall()
        return {(kind, state): count for kind, state, count in rows}

    def sweep(self, *, now: datetime | None = None) -> int:
        """Remove jobs that were finished long ago; return how many."""
        with self._database.writing() as db:
            question = "DELETE FROM jobs WHERE state IN ('done', 'failed') AND finished < ?"
            return db.execute(question, (_seconds((now or _now()) - KEPT),)).rowcount


def _now() -> datetime:
    return datetime.now(UTC)


def _seconds(date: datetime) -> float:
    return date.timestamp()


def _job(row: tuple[Any, ...]) -> Job:
    values = list(row)
    for at in (6, 7, 10, 11, 12):
        values[at] = None if values[at] is None else datetime.fromtimestamp(values[at], UTC)
    values[4], values[14] = json.loads(values[4]), None if values[14] is None else json.loads(values[14])
    return Job(*values)
