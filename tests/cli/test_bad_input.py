"""What bad input gets: one clear line that names cause and way out, the right exit code, nothing half-written."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from archiver.urls import without_password
from tests.cli.command import Command, LocalPlace
from tests.oddcases import CASES, Case, head, ok
from tests.s3server import Answer, S3Server, aws_environment, proxy
from tests.stories import story
from tests.wirelog import Talk, WireLog, wire_log

ALLOW = ("save", "--allow-private")
LIMIT = 2_000_000
"""Bytes of ARCHIVER_MAX_CAPTURE for these tests."""


async def _send_three_gigabytes(talk: Talk) -> None:
    await talk.send(head(b"HTTP/1.1 200 OK", b"Content-Type: text/html", b"Content-Length: 3221225472"))
    for _ in range(64):
        await talk.send(bytes(1 << 16))
    await talk.read_until_closed()


ODD = {**CASES, "three-gigabytes": Case("three-gigabytes", _send_three_gigabytes)}


@contextmanager
def plain_http() -> Iterator[int]:
    """An ordinary web server's port: to a TLS handshake it answers in plain HTTP."""

    class Silent(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def unused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def odd_server() -> Iterator[WireLog]:
    with wire_log(ODD) as server:
        server.pages["/loop"] = head(b"HTTP/1.1 302 Found", b"Location: /loop", b"Content-Length: 0")
        server.pages["/to-ftp"] = head(b"HTTP/1.1 302 Found", b"Location: ftp://example.com/", b"Content-Length: 0")
        server.page("/charset", story("Kaputt").encode() + b"\xff\xfe\x81", content_type="text/html; charset=klingon")
        server.page("/image", b"\x89PNG\r\n\x1a\n" + bytes(200), content_type="image/png")
        server.page("/good", story("A good page"))
        yield server


@pytest.fixture(scope="module")
def bad_save(odd_server: WireLog, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[str, str]]:
    """Save everything that is wrong in one go; the function tells outcome and evidence of a URL."""
    command = Command(tmp_path_factory.mktemp("home"), "./archive")
    with plain_http() as port:
        urls = {
            "relative": "story.html",
            "spaces": "http://exa mple.com/",
            "no scheme": "example.com/story",
            "no host": "http:///story",
            "impossible host": f"http://{'a' * 70}.example/",
            "impossible port": "http://127.0.0.1:99999/",
            "bracket": "http://[::1/",
            "user": "http://ann:secret@127.0.0.1/",
            "scheme": "ftp://example.com/story",
            "mail": "mailto:editor@example.com",
            "unknown host": "http://no-such-host.invalid/",
            "refused": f"http://127.0.0.1:{unused_port()}/",
            "tls": f"https://127.0.0.1:{port}/",
            "204": odd_server.url("no-content-204"),
            "image": odd_server.http + "/image",
            "announced": odd_server.url("three-gigabytes"),
            "endless": odd_server.url("endless-body"),
            "bomb": odd_server.url("gzip-bomb"),
            "charset": odd_server.http + "/charset",
            "loop": odd_server.http + "/loop",
            "to ftp": odd_server.http + "/to-ftp",
            "broken redirect": odd_server.url("redirect-broken"),
            "self-signed": odd_server.https + "/good",
        }
        limits = {"ARCHIVER_MAX_CAPTURE": str(LIMIT), "DOWNLOAD_TIMEOUT": "20"}
        done = command(*ALLOW, "--json", *urls.values(), code=1, env=limits)
    assert len(done.objects) == len(urls)
    assert done.err == ""
    assert LocalPlace(command).leftovers() == []
    assert command("verify", "--json").object["clean"]
    said = {each["url"]: each for each in done.objects}

    def tell(name: str) -> tuple[str, str]:
        (*_, last) = said[without_password(urls[name])]["evidence"]
        return said[without_password(urls[name])]["outcome"], last

    return tell


@pytest.mark.parametrize(
    ("name", "outcome", "words"),
    [
        ("relative", "failed", "'story.html' is not a URL; did you mean https://story.html"),
        ("spaces", "failed", "is not a URL (it holds spaces or control characters); copy it from the browser"),
        ("no scheme", "failed", "is not a URL; did you mean https://example.com/story"),
        ("no host", "failed", "is not a URL; write it like https://example.com/story"),
        ("impossible host", "failed", "cannot be a host); check its spelling"),
        ("impossible port", "failed", "is not a URL (Port out of range 0-65535)"),
        ("bracket", "failed", "is not a URL (Invalid IPv6 URL)"),
        ("user", "failed", "names a user, which cannot be passed on; write it without what precedes the @"),
        ("scheme", "failed", "only http and https pages can be archived, not ftp:"),
        ("mail", "failed", "only http and https pages can be archived, not mailto:"),
        ("unknown host", "failed", "the name no-such-host.invalid cannot be resolved; check its spelling"),
        ("refused", "failed", "refused the connection; is the server running?"),
        ("tls", "failed", "failed: wrong version number; is it an https site, and is its certificate in order?"),
        ("204", "empty", "HTTP 204 No Content"),
        ("image", "not_article", "the content is image, not HTML"),
        ("announced", "failed", "the answer exceeds the size limit; what came of it is kept (ARCHIVER_MAX_CAPTURE"),
        ("endless", "failed", "the answer exceeds the size limit; what came of it is kept (ARCHIVER_MAX_CAPTURE"),
        ("bomb", "failed", "the body decodes to more than the limit (a decompression bomb?); it is kept as it came"),
        ("charset", "saved", ""),
        ("loop", "failed", "it redirects in a circle, or too often"),
        ("to ftp", "failed", "it redirects to ftp://example.com/, which cannot be archived"),
        ("broken redirect", "failed", "it redirects to something that is no URL"),
        ("self-signed", "saved", ""),
    ],
)
def test_a_url_that_cannot_be_saved_says_why(
    bad_save: Callable[[str], tuple[str, str]], name: str, outcome: str, words: str
) -> None:
    found, evidence = bad_save(name)
    assert found == outcome
    assert words in evidence


def test_private_addresses_are_refused_wherever_they_turn_up(archiver: Command, server: WireLog) -> None:
    port = server.http.rpartition(":")[2]
    server.page("/secret", "the secret")
    urls = [
        f"{server.http}/secret",
        f"http://localhost:{port}/secret",
        f"http://2130706433:{port}/secret",
        f"http://[::ffff:127.0.0.1]:{port}/secret",
        "http://169.254.169.254/latest/meta-data/",
    ]
    done = archiver("save", *urls, code=1)
    assert all(line.startswith("refused ") for line in done.lines)
    assert all("is a private address; if it is meant, save it with --allow-private" in line for line in done.lines)
    assert server.exchanges == []
    assert not list(archiver.home.glob("archive/warc/**/*.gz")), "nothing was asked, so nothing is kept"


def test_a_redirect_to_a_private_address_is_refused(archiver: Command, server: WireLog) -> None:
    """The proxy is the only way to a server that passes for public here."""
    server.page("/secret", "the secret")
    server.pages["/story"] = head(
        b"HTTP/1.1 302 Found", b"Location: " + f"{server.http}/secret".encode(), b"Content-Length: 0"
    )
    public = server.http.replace("127.0.0.1", "public.example")
    line = archiver("save", f"{public}/story", code=1, env={"ARCHIVER_PROXY": server.proxy}).lines[0]
    assert line.startswith(f"refused     {public}/story  127.0.0.1 is a private address")
    assert server.hits == {"/story": 1}
    listed = archiver("snapshots", "--json", f"{public}/story").object
    assert listed["status"] == 302


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["get", "http://a.example/", "--at", "2019-02-31"], "'2019-02-31' is no date; write 2019-02-07"),
        (["get", "http://a.example/", "--at", "yesterday"], "'yesterday' is no date"),
        (["snapshots", "http://a.example/", "--from", "2019-02-31"], "'2019-02-31' is no date"),
        (["snapshots", "http://a.example/", "--to", "2019-W07"], "'2019-W07' is no date"),
        (["get", "http://a.example/", "--format", "docx"], "invalid choice: 'docx'"),
        (["save"], "no URL to save; write `archiver save https://example.com/story`"),
        (["save", "http://a.example/", "--if-older-than", "soon"], "'soon' is no age; write 30m, 12h, 7d"),
        (["save", "http://a.example/", "--delay", "-1"], "invalid number of seconds value: '-1'"),
        (["save", "http://a.example/", "--delay", "nan"], "invalid number of seconds value: 'nan'"),
        (["save", "--from-file", "missing.txt"], "missing.txt cannot be read (No such file or directory)"),
        (["save", "--from-file", "/"], "/ cannot be read (Is a directory); --from-file wants a text file"),
        (["save", "--from-file", "latin.txt"], "latin.txt cannot be read (it is not UTF-8)"),
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        ([], "COMMAND"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_line_that_makes_no_sense_ends_with_2(archiver: Command, arguments: list[str], words: str) -> None:
    archive = archiver.home / "archive"
    archive.mkdir()
    (archive / "archive.json").write_text('{"format": 1, "id": "a"}')
    (archiver.home / "latin.txt").write_bytes(b"http://a.example/caf\xe9\n")
    assert words in archiver(*arguments, code=2).err.splitlines()[-1]
    assert not list(archive.glob("warc/**/*"))


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ('{"format": 99, "id": "a"}', "has format 99, this version of archiver reads up to 1; install a newer one"),
        ('{"format": "new", "id": "a"}', "cannot be read; restore it from a backup"),
        ('{"format": 1}', "cannot be read; restore it from a backup"),
        ('{"format": 1, "id": "../../etc"}', "cannot be read; restore it from a backup"),
        ("[]", "cannot be read; restore it from a backup"),
        ("\x00garbage", "cannot be read; restore it from a backup"),
        ("", "cannot be read; restore it from a backup"),
    ],
)
def test_an_archive_that_is_not_understood_is_left_alone(archiver: Command, described: str, words: str) -> None:
    archive = archiver.home / "archive"
    archive.mkdir()
    (archive / "archive.json").write_text(described)
    complaint = archiver("save", "http://a.example/", code=1).complaint
    assert complaint.startswith("archiver: ")
    assert "./archive" in complaint
    assert words in complaint
    assert [path.name for path in archive.iterdir()] == ["archive.json"]
    assert (archive / "archive.json").read_text() == described


def test_no_archive_is_no_reason_to_make_one(archiver: Command) -> None:
    for command in (["get", "http://a.example/"], ["verify"], ["stats"], ["reindex"]):
        complaint = archiver(*command, code=1).complaint
        assert complaint.startswith("archiver: there is no archive at ./archive; `archiver save URL` makes one")
    assert list(archiver.home.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("file", "archiver: file is not a directory; move it away or use another directory"),
        ("file/below", "/file is not a directory; move it away or use another directory"),
        ("/sys/archive", "use another directory"),
        ("", "is no place for an archive; give a directory or s3://bucket/prefix"),
        ("ftp://host/archive", "is no place for an archive; give a directory or s3://bucket/prefix"),
        ("s3://", "names no place in a bucket; write s3://bucket/prefix"),
    ],
)
def test_a_place_that_cannot_hold_an_archive_is_named(archiver: Command, place: str, words: str) -> None:
    (archiver.home / "file").write_text("not an archive")
    complaint = archiver("--archive", place, "save", "http://a.example/", code=1).complaint
    assert words in complaint


if os.geteuid() != 0:  # root may read everything, so for root there is nothing to test

    def test_a_directory_that_may_not_be_read_is_named(archiver: Command) -> None:
        archive = archiver.home / "archive"
        archive.mkdir(mode=0)
        try:
            complaint = archiver("save", "http://a.example/", code=1).complaint
        finally:
            archive.chmod(0o700)
        assert "give this user access or use another directory" in complaint


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a file system is not permitted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_full_disk_fails_what_does_not_fit_and_keeps_the_rest(
    tmp_path: Path, small_disk: Path, server: WireLog
) -> None:
    archiver = Command(tmp_path, str(small_disk / "archive"))
    small = server.page("/small", story("A small page"))
    server.pages["/large"] = ok(os.urandom(3 << 20), b"Content-Type: video/mp4")
    archiver(*ALLOW, small)
    done = archiver(*ALLOW, "--json", server.http + "/large", code=1)
    assert done.object["outcome"] == "failed"
    assert "no space" in done.object["evidence"][-1]
    assert "free some" in done.object["evidence"][-1]
    assert archiver("get", small).lines[0] == "A small page"
    assert archiver("verify", "--json").object["clean"]
    assert LocalPlace(archiver).leftovers() == []


def test_a_disk_without_any_room_is_one_clear_line(tmp_path: Path, small_disk: Path, server: WireLog) -> None:
    archiver = Command(tmp_path, str(small_disk / "archive"))
    small = server.page("/small", story("A small page"))
    archiver(*ALLOW, small)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    done = archiver(*ALLOW, small, code=1)
    said = (done.out + done.err).splitlines()
    assert any("no space" in line and "; " in line for line in said)
    filler.unlink()
    archiver(*ALLOW, small)
    assert archiver("verify", "--json").object["clean"]
    assert LocalPlace(archiver).leftovers() == []


def test_a_reader_that_has_seen_enough_ends_the_listing(archiver: Command, server: WireLog) -> None:
    urls = [server.page(f"/{number}", story(f"Story {number}")) for number in range(3)]
    archiver(*ALLOW, *urls)
    listing = f"archiver snapshots --host {server.http} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", listing], env=archiver.env, cwd=archiver.home, capture_output=True, timeout=60)
    assert done.stdout.decode().splitlines()[0].endswith(urls[0])
    assert done.stderr == b""
    with archiver.start("snapshots", "--json", "--host", server.http) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1


def test_saving_goes_on_when_nobody_reads_the_report(archiver: Command, server: WireLog) -> None:
    urls = [server.page(f"/{number}", story(f"Story {number}")) for number in range(6)]
    with archiver.start(*ALLOW, *urls) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
        assert process.wait() == 1
    listed = archiver("snapshots", "--json", "--host", server.http).objects
    assert {each["url"] for each in listed} == set(urls)


# Buckets.


def test_a_missing_bucket_is_named(tmp_path: Path, s3: S3Server) -> None:
    archiver = Command(tmp_path, "s3://no-such-bucket/news", s3.env)
    for command in (["save", "http://a.example/"], ["stats"]):
        complaint = archiver(*command, code=1).complaint
        assert f"bucket no-such-bucket does not exist at {s3.endpoint}; create it or check the name" in complaint


def test_wrong_credentials_are_named(tmp_path: Path) -> None:
    with proxy() as refusing:
        refusing.on_request = lambda request: Answer.error(403, "SignatureDoesNotMatch")
        archiver = Command(tmp_path, "s3://bucket/news", aws_environment(refusing.endpoint))
        complaint = archiver("save", "http://a.example/", code=1).complaint
    assert "does not accept the credentials (SignatureDoesNotMatch); check AWS_ACCESS_KEY_ID" in complaint


def test_no_credentials_at_all_are_named(tmp_path: Path, s3: S3Server) -> None:
    env = {name: value for name, value in s3.env.items() if "KEY" not in name}
    complaint = Command(tmp_path, "s3://bucket/news", env)("save", "http://a.example/", code=1).complaint
    assert "check AWS_PROFILE" in complaint


def test_an_endpoint_that_does_not_answer_is_named(tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{unused_port()}"
    archiver = Command(tmp_path, "s3://bucket/news", aws_environment(endpoint) | {"AWS_MAX_ATTEMPTS": "1"})
    complaint = archiver("save", "http://a.example/", code=1).complaint
    assert f"no whole answer from {endpoint}" in complaint
    assert "check AWS_ENDPOINT_URL" in complaint


def test_a_bucket_that_fails_while_saving_keeps_the_pages_in_the_spool(
    tmp_path: Path, s3: S3Server, server: WireLog
) -> None:
    url = server.page("/bridge", story("Bridge to be repaired"))
    with proxy(s3.endpoint) as between:
        archiver = Command(tmp_path, f"s3://{s3.make_bucket()}/news", between.env)

        def refuse(request: object) -> Answer | None:
            line = getattr(request, "line", "")
            return Answer.error(503, "SlowDown") if line.startswith("PUT") and "/warc/" in line else None

        between.on_request = refuse
        failed = archiver(*ALLOW, "--json", url, code=1)
        assert failed.object["outcome"] == "failed"
        assert "not uploaded" in failed.object["evidence"][-1]
        assert "keeps failing (SlowDown); try again later" in failed.object["evidence"][-1]
        between.on_request = lambda request: None
        recovered = archiver("snapshots", "--json", url)
        assert recovered.complaint.startswith("recovered 1 captures that an interrupted command had left in ")
        assert json.loads(recovered.out)["outcome"] == "saved"
        assert archiver("verify", "--json").object["clean"]
