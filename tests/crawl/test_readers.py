import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from archiver.article import Article
from archiver.crawl.readers import Readers, read_now
from archiver.extract import Page

ROOT = Path(__file__).parent.parent.parent
TROUBLE = "tests.crawl.test_readers.make_trouble"
STORY = (
    b"<html><body><h1>Rain at last</h1><p>Rain fell on the hills all day, and nobody minded it much.</p></body></html>"
)


def page(body: bytes = STORY, url: str = "https://example.com/a") -> Page:
    return Page(url, url, 200, (("content-type", "text/html"),), body, datetime(2026, 11, 22, tzinfo=UTC))


def make_trouble(page: Page) -> Article:
    """Stand in for a reader; the body says what goes wrong."""
    match page.body:
        case b"hang":
            while True:
                time.sleep(3600)
        case b"spin":
            while True:
                pass
        case b"exit":
            os._exit(3)
        case b"segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"hog":
            hoard = [bytearray(2**20) for _ in range(4096)]
            return Article(url=page.url, title=str(len(hoard)))
        case b"raise":
            raise RuntimeError("the page bit")
        case b"nonsense":
            return "no article"  # type: ignore[return-value]
        case b"noise":
            print("to stdout")
            print("to stderr", file=sys.stderr)
    return Article(url=page.url, title=str(os.getpid()))


@contextmanager
def pool(**options: object) -> Iterator[Readers]:
    readers = Readers(**{"workers": 1, "function": TROUBLE} | options)  # type: ignore[arg-type]
    try:
        yield readers
    finally:
        readers.close()


def read(readers: Readers, *bodies: bytes) -> list[Article]:
    async def all_of_them() -> list[Article]:
        return await asyncio.gather(*(readers.read(page(body)) for body in bodies))

    return asyncio.run(all_of_them())


def test_a_page_is_read_in_another_process() -> None:
    with pool(function="archiver.extract.read_page") as readers:
        (article,) = read(readers, STORY)
    assert article == read_now(page())
    assert article.outcome == "saved"
    assert article.title == "Rain at last"


def test_a_hanging_page_is_failed_and_the_others_are_read() -> None:
    with pool(workers=2, time_limit=1.5) as readers:
        articles = read(readers, b"", b"hang", b"", b"spin", b"")
    assert [article.outcome for article in articles] == ["saved", "failed", "saved", "failed", "saved"]
    assert articles[1].evidence == articles[3].evidence == ("HTTP 200 OK", "reader stopped after 1.5 s")
    assert articles[1].url == "https://example.com/a"


def test_a_page_that_kills_its_reader_is_failed_and_the_others_are_read() -> None:
    with pool(workers=2) as readers:
        articles = read(readers, b"", b"exit", b"segfault", b"")
    assert [article.outcome for article in articles] == ["saved", "failed", "failed", "saved"]
    assert articles[1].evidence[-1] == "reader died with exit code 3"
    assert articles[2].evidence[-1] == "reader died of signal 11 (Segmentation fault)"


def test_a_page_that_eats_memory_is_failed_and_the_others_are_read() -> None:
    with pool(memory_limit=64 * 2**20) as readers:
        articles = read(readers, b"hog", b"")
    assert articles[0].evidence[-1] == "reader stopped: the page needs more than 64 MB of memory"
    assert articles[1].outcome == "saved"


def test_a_page_that_breaks_its_reader_is_failed_and_the_reader_lives_on() -> None:
    with pool() as readers:
        before, broken, nonsense, after = (read(readers, body)[0] for body in (b"", b"raise", b"nonsense", b""))
    assert broken.evidence[-1] == "reader broke: RuntimeError: the page bit"
    assert nonsense.outcome == "failed"
    assert before.title == after.title


def test_a_worker_is_replaced_after_its_share_of_pages() -> None:
    with pool(pages_per_worker=2) as readers:
        workers = [read(readers, b"")[0].title for _ in range(5)]
    assert workers[0] == workers[1] != workers[2] == workers[3] != workers[4]


def test_what_a_reader_prints_stays_with_it(capfd: object) -> None:
    with pool() as readers:
        assert read(readers, b"noise")[0].outcome == "saved"
    assert capfd.readouterr() == ("", "")  # type: ignore[attr-defined]


def test_a_reader_that_cannot_start_says_why() -> None:
    with pool(function="archiver.no_such_module.read") as readers:
        (article,) = read(readers, b"")
    assert article.outcome == "failed"
    assert "reader did not start: ModuleNotFoundError" in article.evidence[-1]


def test_a_worker_that_died_idle_is_replaced() -> None:
    with pool() as readers:
        first = read(readers, b"")[0].title
        os.kill(int(first or 0), signal.SIGKILL)
        while Path(f"/proc/{first}/stat").read_text().split()[2] != "Z":
            time.sleep(0.01)
        assert read(readers, b"")[0].outcome == "saved"


def test_closing_ends_the_pages_being_read() -> None:
    async def close_while_reading() -> list[Article]:
        readers = Readers(2, function=TROUBLE)
        await readers.read(page(b""))
        reading = [asyncio.ensure_future(readers.read(page(body))) for body in (b"hang", b"spin", b"hang", b"hang")]
        await asyncio.sleep(0.1)
        await asyncio.to_thread(readers.close)
        return [*await asyncio.gather(*reading), await readers.read(page(b""))]

    articles = asyncio.run(close_while_reading())
    assert {article.outcome for article in articles} == {"failed"}
    assert {article.evidence[-1] for article in articles} <= {"reader pool was closed", "reader pool is closed"}


def test_closing_twice_or_unused_is_fine() -> None:
    readers = Readers()
    readers.close()
    readers.close()


def test_a_pool_serves_one_event_loop_after_another() -> None:
    with pool() as readers:
        assert read(readers, b"")[0].title == read(readers, b"")[0].title


def script(body: str) -> list[str]:
    """A program without a main guard, as people write them."""
    head = """
    import asyncio, os, sys
    from tests.crawl.test_readers import Readers, TROUBLE, page
    readers = Readers(1, function=TROUBLE)
    article = asyncio.run(readers.read(page(b"")))
    print(article.title, article.outcome, flush=True)
    """
    return [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(body)]


def has_ended(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_for_end(process: int, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not has_ended(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_workers_end_with_their_parent_however_it_ends() -> None:
    with subprocess.Popen(script("os.kill(os.getpid(), 9)"), stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        worker, outcome = parent.stdout.readline().split()
    assert outcome == "saved"
    assert wait_for_end(int(worker))


def test_a_program_that_forgets_to_close_still_ends() -> None:
    done = subprocess.run(script(""), capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0
    assert wait_for_end(int(done.stdout.split()[0]))


def test_workers_are_out_of_reach_of_the_terminal() -> None:
    with pool() as readers:
        worker = int(read(readers, b"")[0].title or 0)
        os.kill(worker, signal.SIGINT)
        assert os.getsid(worker) != os.getsid(0)
        assert read(readers, b"")[0].title == str(worker)


def test_workers_inherit_no_files(tmp_path: Path) -> None:
    with (tmp_path / "held").open("w") as held, pool() as readers:
        os.set_inheritable(held.fileno(), True)
        worker = read(readers, b"")[0].title
        files = [os.readlink(link) for link in Path(f"/proc/{worker}/fd").iterdir()]
    assert str(tmp_path / "held") not in files
    assert len(files) <= 4
