from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import storage.index
from storage.index import Index
from storage.jobs import KEPT, MOST_ATTEMPTS, SILENCE, Jobs

LATER = timedelta(hours=1)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    index = Index.open(tmp_path / "index.sqlite3")
    yield index
    index.close()


@pytest.fixture
def jobs(index: Index) -> Jobs:
    return Jobs(index)


def now() -> datetime:
    return datetime.now(UTC)


def test_a_job_goes_from_queued_to_done(jobs: Jobs) -> None:
    number = jobs.put("save", "https://example.com/ü", {"age": "ü"}, priority=3)
    queued = jobs.get(number)
    assert queued is not None
    assert (queued.state, queued.kind, queued.subject) == ("queued", "save", "https://example.com/ü")
    assert (queued.arguments, queued.priority) == ({"age": "ü"}, 3)
    running = jobs.claim("worker", ["save"])
    assert running is not None
    assert (running.id, running.state, running.worker, running.attempts) == (number, "running", "worker", 1)
    assert jobs.claim("other", ["save"]) is None
    jobs.finish(number, {"outcome": "saved"})
    done = jobs.get(number)
    assert done is not None
    assert (done.state, done.result) == ("done", {"outcome": "saved"})
    assert done.created <= (done.started or now()) <= (done.finished or now())
    assert jobs.counts() == {("save", "done"): 1}


def test_an_unknown_job_is_none(jobs: Jobs) -> None:
    assert jobs.get("no such job") is None


def test_jobs_are_claimed_by_priority_then_by_age_and_only_when_due(jobs: Jobs) -> None:
    last = jobs.put("crawl", "it", priority=10)
    first = jobs.put("crawl", "it", priority=1, due=now() - LATER)
    second = jobs.put("crawl", "it", priority=1)
    jobs.put("crawl", "it", priority=0, due=now() + LATER)
    jobs.put("save", "it")
    claimed = [jobs.claim("worker", ["crawl"]) for _ in range(4)]
    assert [job and job.id for job in claimed] == [first, second, last, None]


def test_a_lock_is_held_by_one_running_job(jobs: Jobs) -> None:
    one = jobs.put("crawl", "a", lock="example.com")
    two = jobs.put("crawl", "b", lock="example.com")
    three = jobs.put("crawl", "c", lock="example.org")
    claimed = [jobs.claim("worker", ["crawl"]) for _ in range(3)]
    assert [job and job.id for job in claimed] == [one, three, None]
    jobs.finish(one, None)
    after = jobs.claim("worker", ["crawl"])
    assert after is not None
    assert after.id == two


def test_a_job_that_waits_already_is_not_queued_twice(jobs: Jobs) -> None:
    waiting = jobs.put("crawl", "a", once=True)
    assert jobs.put("crawl", "a", once=True) == waiting
    assert jobs.put("crawl", "b", once=True) != waiting
    jobs.claim("worker", ["crawl"])
    assert jobs.put("crawl", "a", once=True) != waiting


def test_the_last_beginnings_are_known(jobs: Jobs) -> None:
    jobs.put("crawl", "a")
    jobs.put("crawl", "b", due=now() + LATER)
    job = jobs.claim("worker", ["crawl"])
    assert job is not None
    assert jobs.last_started("crawl") == {"a": job.started}
    assert jobs.last_started("save") == {}


def test_the_job_of_a_silent_worker_is_done_by_another(jobs: Jobs) -> None:
    number = jobs.put("save", "it")
    jobs.claim("dead", ["save"])
    assert jobs.rescue() == []
    assert jobs.rescue(now=now() + SILENCE + LATER) == [number]
    assert not jobs.touch(number, "dead")
    again = jobs.claim("alive", ["save"])
    assert again is not None
    assert (again.id, again.attempts) == (number, 2)
    assert jobs.touch(number, "alive")


def test_a_worker_known_to_be_dead_need_not_be_waited_for(jobs: Jobs) -> None:
    number = jobs.put("save", "it")
    jobs.claim("host/123/1", ["save"])
    assert jobs.rescue(worker="host/1234/") == []
    assert jobs.rescue(worker="host/123/") == [number]


def test_a_job_that_kills_its_workers_fails_in_the_end(jobs: Jobs) -> None:
    number = jobs.put("save", "it")
    for _ in range(MOST_ATTEMPTS):
        assert jobs.claim("worker", ["save"])
        jobs.rescue(worker="worker")
    failed = jobs.get(number)
    assert failed is not None
    assert (failed.state, failed.result) == ("failed", {"error": f"its worker died {MOST_ATTEMPTS} times"})
    assert jobs.claim("worker", ["save"]) is None


def test_a_job_given_back_waits_again_and_need_not_count(jobs: Jobs) -> None:
    number = jobs.put("crawl", "it")
    jobs.claim("worker", ["crawl"])
    jobs.give_back(number, counts=False)
    again = jobs.claim("worker", ["crawl"])
    assert again is not None
    assert again.attempts == 1
    jobs.give_back(number, due=now() + LATER)
    assert jobs.claim("worker", ["crawl"]) is None
    assert [job.id for job in jobs.waiting("crawl")] == [number]


def test_finished_jobs_are_swept_away_in_time(jobs: Jobs) -> None:
    number = jobs.put("save", "it")
    jobs.finish(number, None, failed=True)
    assert jobs.sweep() == 0
    assert jobs.sweep(now=now() + KEPT + LATER) == 1
    assert jobs.get(number) is None


def test_many_workers_never_claim_one_job_twice(tmp_path: Path, jobs: Jobs) -> None:
    wanted = {jobs.put("save", str(number)) for number in range(60)}
    claimed: list[str] = []

    def work(name: str) -> None:
        own = Index.open(tmp_path / "index.sqlite3")
        while job := Jobs(own).claim(name, ["save"]):
            claimed.append(job.id)
            Jobs(own).finish(job.id, None)
        own.close()

    threads = [threading.Thread(target=work, args=(f"worker {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(wanted)


def test_rebuilding_or_upgrading_the_index_leaves_the_queue_alone(
    tmp_path: Path, index: Index, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = jobs.put("save", "https://example.com/")
    index.clear()
    assert jobs.get(number)
    index.close()
    before = storage.index.SCHEMA_VERSION
    monkeypatch.setattr(storage.index, "SCHEMA_VERSION", 1000)
    schema = [each.replace(f"user_version = {before}", "user_version = 1000") for each in storage.index._SCHEMA]
    monkeypatch.setattr(storage.index, "_SCHEMA", schema)
    newer = Index.open(tmp_path / "index.sqlite3")
    assert Jobs(newer).get(number)
    newer.close()
