"""Blobs in a bucket: what goes wrong between here and there, and how it is told."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import s3 as s3_module
from storage.errors import (
    KeyExists,
    KeyNotFound,
    StorageError,
    StorageFull,
    StorageUnavailable,
    UploadMismatch,
)
from storage.s3 import S3Blobs
from tests.s3server import Answer, Proxy, Request, S3Server, clean_environ, proxy, use_environment

MEBIBYTE = 1 << 20


def one_line(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text
    assert "; " in text, "names the cause, then the way out"
    assert "Traceback" not in text
    assert "test-secret" not in text
    return text


@pytest.fixture
def between(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy in front of the server, which clients made from now on talk to."""
    with proxy(s3.endpoint) as running:
        use_environment(monkeypatch, running.env)
        yield running


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.make_bucket()


@pytest.fixture
def blobs(between: Proxy, bucket: str) -> S3Blobs:
    """A store behind the proxy."""
    return S3Blobs(f"s3://{bucket}/news")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(random.Random(4).randbytes(100_000))
    return path


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 5 MiB, the smallest a store takes, above 6 MiB."""
    monkeypatch.setattr(s3_module, "SINGLE_BYTES", 6 * MEBIBYTE)
    monkeypatch.setattr(s3_module, "PART_BYTES", 5 * MEBIBYTE)


@pytest.fixture
def large_file(tmp_path: Path, small_parts: None) -> Path:
    path = tmp_path / "large.warc.gz"
    path.write_bytes(random.Random(5).randbytes(11 * MEBIBYTE))
    return path


def flip_a_byte(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def is_upload(request: Request) -> bool:
    return request.method == "PUT" and bool(request.body)


# Where objects lie


def test_objects_lie_below_the_prefix_and_nothing_else_is_seen(s3: S3Server, s3_blobs: S3Blobs) -> None:
    bucket = s3_blobs.bucket
    for key in ("other", "news2/x", "news", "news/folder/", "news/a//b"):
        s3.client.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3_blobs.put("archive.json", b"{}")

    assert list(s3_blobs.keys()) == ["archive.json"]
    assert s3.client.get_object(Bucket=bucket, Key="news/archive.json")["Body"].read() == b"{}"


def test_a_bucket_without_prefix_is_an_archive_too(s3: S3Server, s3_blobs: S3Blobs) -> None:
    whole = S3Blobs(f"s3://{s3_blobs.bucket}")
    whole.put("archive.json", b"{}")
    assert list(whole.keys("arch")) == ["archive.json"]
    assert s3.client.head_object(Bucket=whole.bucket, Key="archive.json")["ContentLength"] == 2


def test_more_keys_than_one_answer_holds_are_all_listed(blobs: S3Blobs, between: Proxy) -> None:
    keys = [f"cdxj/{number:02}" for number in range(25)]
    for key in keys:
        blobs.put(key, b"x")

    def answer_ten_at_a_time(request: Request) -> None:
        request.path = request.path.replace("list-type=2", "list-type=2&max-keys=10")

    between.on_request = answer_ten_at_a_time
    between.requests.clear()
    assert list(blobs.keys("cdxj/")) == keys
    assert len(between.requests) == 3


# Large files


def test_a_large_file_goes_in_parts_and_is_proven_by_its_etag(blobs: S3Blobs, between: Proxy, large_file: Path) -> None:
    data = large_file.read_bytes()
    blobs.put_file("warc/large.warc.gz", large_file)

    assert not large_file.exists()
    assert not any(request.method == "GET" and "large" in request.path for request in between.requests)
    assert sum("partNumber=" in request.path for request in between.requests) == 3
    assert blobs.read("warc/large.warc.gz") == data
    with blobs.open("warc/large.warc.gz") as stream:
        assert stream.read() == data


def test_a_file_above_64_mib_goes_in_parts_of_16_mib(blobs: S3Blobs, between: Proxy, tmp_path: Path) -> None:
    path = tmp_path / "segment"
    with open(path, "wb") as file:
        file.truncate(64 * MEBIBYTE + 1)

    blobs.put_file("segment", path)

    sizes = sorted(len(request.body) for request in between.requests if "partNumber=" in request.path)
    assert sizes == [1] + [16 * MEBIBYTE] * 4
    assert blobs.size("segment") == 64 * MEBIBYTE + 1


def test_a_large_file_that_is_already_there_is_recognised(blobs: S3Blobs, between: Proxy, large_file: Path) -> None:
    data = large_file.read_bytes()
    blobs.put_file("a", large_file)
    large_file.write_bytes(data)
    between.requests.clear()

    blobs.put_file("a", large_file)

    assert not large_file.exists()
    assert [request.method for request in between.requests] == ["HEAD"]


def test_a_file_uploaded_in_other_parts_is_compared_byte_by_byte(
    s3: S3Server, blobs: S3Blobs, large_file: Path
) -> None:
    s3.client.put_object(Bucket=blobs.bucket, Key="news/same", Body=large_file.read_bytes())
    s3.client.put_object(Bucket=blobs.bucket, Key="news/other", Body=flip_a_byte(large_file.read_bytes()))

    with pytest.raises(KeyExists):
        blobs.put_file("other", large_file)
    assert large_file.exists()
    blobs.put_file("same", large_file)
    assert not large_file.exists()


def test_an_upload_that_fails_midway_leaves_nothing_in_the_bucket(
    s3: S3Server, blobs: S3Blobs, between: Proxy, large_file: Path
) -> None:
    between.on_request = lambda request: Answer.error(500, "InternalError") if "partNumber=2" in request.path else None

    with pytest.raises(StorageUnavailable) as caught:
        blobs.put_file("a", large_file)

    assert "try again later" in one_line(caught.value)
    assert large_file.stat().st_size == 11 * MEBIBYTE
    assert list(blobs.keys()) == []
    assert "Uploads" not in s3.client.list_multipart_uploads(Bucket=blobs.bucket)
    between.on_request = lambda request: None
    blobs.put_file("a", large_file)
    assert blobs.size("a") == 11 * MEBIBYTE


UPLOADER = """
import sys
from pathlib import Path
from storage import s3
s3.SINGLE_BYTES, s3.PART_BYTES = 6 << 20, 5 << 20
s3.S3Blobs(sys.argv[1]).put_file("a", Path(sys.argv[2]))
"""


def test_an_uploader_killed_midway_leaves_no_object_and_its_file(
    s3: S3Server, blobs: S3Blobs, between: Proxy, large_file: Path
) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hold_the_last_part(request: Request) -> None:
        if "partNumber=3" in request.path:
            reached.set()
            go_on.wait(60)

    between.on_request = hold_the_last_part
    command = [sys.executable, "-c", UPLOADER, blobs.location, str(large_file)]
    with subprocess.Popen(command, env=clean_environ(between.env)) as uploader:
        assert reached.wait(60)
        uploader.kill()
    go_on.set()

    assert list(blobs.keys()) == []
    between.on_request = lambda request: None
    blobs.put_file("a", large_file)
    assert blobs.size("a") == 11 * MEBIBYTE


# Stores that lie, lose and differ


@pytest.mark.parametrize("name", ["file", "large_file"])
def test_an_upload_that_is_damaged_on_its_way_is_noticed(
    blobs: S3Blobs, between: Proxy, request: pytest.FixtureRequest, name: str
) -> None:
    path: Path = request.getfixturevalue(name)
    data = path.read_bytes()

    def damage(request: Request) -> None:
        if is_upload(request):
            request.body = flip_a_byte(request.body)

    between.on_request = damage
    with pytest.raises(UploadMismatch) as caught:
        blobs.put_file("warc/a.warc.gz", path)
    assert "warc/a.warc.gz" in one_line(caught.value)
    assert path.read_bytes() == data

    between.on_request = lambda request: None
    blobs.put_file("warc/a.warc.gz", path)
    assert blobs.read("warc/a.warc.gz") == data


@pytest.mark.parametrize("etag", ['"0123456789abcdef0123456789abcdef"', '""', '"opaque-1"', None])
@pytest.mark.parametrize("name", ["file", "large_file"])
def test_where_etags_prove_nothing_the_object_is_read_back(
    blobs: S3Blobs, between: Proxy, request: pytest.FixtureRequest, name: str, etag: str | None
) -> None:
    """Encrypted buckets have ETags that look like MD5 but are not; some stores have none."""
    path: Path = request.getfixturevalue(name)
    data = path.read_bytes()

    def tell_nothing(_: Request, answer: Answer) -> None:
        answer.headers.pop("ETag", None)
        if etag is not None:
            answer.headers["ETag"] = etag
        answer.body = re.sub(rb"<ETag>.*?</ETag>", b"<ETag></ETag>", answer.body)

    def damage(request: Request) -> None:
        if is_upload(request):
            request.body = flip_a_byte(request.body)

    def hide_parts_etag(request: Request, answer: Answer) -> None:
        if "partNumber=" not in request.path:
            tell_nothing(request, answer)

    between.on_answer = hide_parts_etag
    blobs.put_file("good", path)
    assert not path.exists()
    assert blobs.read("good") == data

    path.write_bytes(data)
    between.on_request = damage
    with pytest.raises(UploadMismatch):
        blobs.put_file("bad", path)
    assert path.read_bytes() == data


def test_an_object_cut_short_is_noticed(blobs: S3Blobs, between: Proxy, file: Path) -> None:
    def shorten(request: Request) -> None:
        if is_upload(request):
            request.body = request.body[:-1]
            request.headers = {k: v for k, v in request.headers.items() if k.lower() != "content-length"}

    between.on_request = shorten
    with pytest.raises(UploadMismatch) as caught:
        blobs.put_file("a", file)
    assert "99999 bytes" in one_line(caught.value)
    assert file.stat().st_size == 100_000
    with pytest.raises(UploadMismatch):
        blobs.put("b", b"0123456789")
    assert list(blobs.keys()) == []


def test_a_store_that_acknowledges_and_keeps_nothing_is_noticed(blobs: S3Blobs, between: Proxy, file: Path) -> None:
    swallow = Answer(200, {"ETag": '"0123456789abcdef0123456789abcdef"'}, b"")
    between.on_request = lambda request: swallow if is_upload(request) else None
    with pytest.raises(UploadMismatch) as caught:
        blobs.put_file("a", file)
    assert "holds nothing" in one_line(caught.value)
    assert file.exists()


def test_a_store_that_notices_the_damage_itself_is_believed(blobs: S3Blobs, between: Proxy, file: Path) -> None:
    between.on_request = lambda request: Answer.error(400, "BadDigest") if is_upload(request) else None
    with pytest.raises(UploadMismatch) as caught:
        blobs.put_file("a", file)
    assert "BadDigest" in one_line(caught.value)
    assert file.exists()


def test_an_answer_that_got_lost_does_not_fail_the_upload(blobs: S3Blobs, between: Proxy, file: Path) -> None:
    data = file.read_bytes()
    lost: list[Request] = []

    def lose_the_first(request: Request, answer: Answer) -> None:
        if is_upload(request) and not lost:
            lost.append(request)
            answer.status, answer.body = Answer.error(503, "SlowDown").status, b""

    between.on_answer = lose_the_first
    blobs.put_file("a", file)

    assert lost
    assert blobs.read("a") == data
    lost.clear()
    blobs.put("b", b"once")
    assert lost
    assert blobs.read("b") == b"once"


def test_a_lost_answer_to_the_last_step_of_a_large_upload_is_survived(
    blobs: S3Blobs, between: Proxy, large_file: Path
) -> None:
    data = large_file.read_bytes()
    lost: list[Request] = []

    def lose_completion(request: Request, answer: Answer) -> None:
        if request.method == "POST" and "uploadId=" in request.path and not lost:
            lost.append(request)
            answer.status, answer.body = 503, b""

    between.on_answer = lose_completion
    blobs.put_file("a", large_file)
    assert lost
    assert blobs.read("a") == data


def test_a_writer_that_comes_first_is_not_overwritten(s3: S3Server, blobs: S3Blobs, between: Proxy, file: Path) -> None:
    def let_another_win(request: Request) -> None:
        if is_upload(request):
            s3.client.put_object(Bucket=blobs.bucket, Key="news/a", Body=b"theirs")

    between.on_request = let_another_win
    with pytest.raises(KeyExists):
        blobs.put("a", b"ours")
    s3.client.delete_object(Bucket=blobs.bucket, Key="news/a")
    with pytest.raises(KeyExists):
        blobs.put_file("a", file)
    assert blobs.read("a") == b"theirs"
    assert file.exists()


@pytest.mark.parametrize("name", ["file", "large_file"])
def test_stores_without_conditional_writes_serve_too(
    blobs: S3Blobs, between: Proxy, request: pytest.FixtureRequest, name: str
) -> None:
    path: Path = request.getfixturevalue(name)
    data = path.read_bytes()

    def know_no_conditions(request: Request) -> Answer | None:
        conditional = any(header.lower() == "if-none-match" for header in request.headers)
        return Answer.error(501, "NotImplemented") if conditional else None

    between.on_request = know_no_conditions
    blobs.put_file("a", path)
    assert blobs.read("a") == data
    with pytest.raises(KeyExists):
        blobs.put("a", b"other")


def test_requests_carry_nothing_that_old_stores_stumble_over(blobs: S3Blobs, between: Proxy, file: Path) -> None:
    blobs.put_file("a", file)
    blobs.read("a", 10, 10)
    headers = {name.lower() for request in between.requests for name in request.headers}
    assert not {name for name in headers if name.startswith(("x-amz-checksum", "x-amz-sdk-checksum", "x-amz-trailer"))}
    assert all(request.path.startswith(f"/{blobs.bucket}") for request in between.requests), "path style"


def test_the_users_own_settings_come_first(
    between: Proxy, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"[profile lab]\nendpoint_url = {between.endpoint}\naws_access_key_id = lab-key\naws_secret_access_key = x\n"
        "region = eu-west-3\nrequest_checksum_calculation = when_supported\ns3 =\n  addressing_style = path\n"
    )
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "lab")

    S3Blobs(f"s3://{bucket}").put("a", b"x", replace=True)

    headers = {name.lower(): value for name, value in between.requests[-1].headers.items()}
    assert "lab-key" in headers["authorization"]
    assert "eu-west-3" in headers["authorization"]
    assert "x-amz-sdk-checksum-algorithm" in headers


def test_a_small_blob_costs_two_requests_and_a_file_three(blobs: S3Blobs, between: Proxy, file: Path) -> None:
    blobs.check(write=False)
    between.requests.clear()
    blobs.put("a", b"x")
    assert [request.method for request in between.requests] == ["HEAD", "PUT"]
    between.requests.clear()
    blobs.put_file("b", file)
    assert [request.method for request in between.requests] == ["HEAD", "PUT", "HEAD"]


def test_reading_records_one_by_one_keeps_one_connection(blobs: S3Blobs, between: Proxy, file: Path) -> None:
    blobs.put_file("a", file)
    between.requests.clear()
    before = between.connections
    for offset in range(0, 50_000, 5000):
        blobs.read("a", offset, 5000)
    assert len(between.requests) == 10
    assert between.connections == before


# Downloads that break


def test_a_download_that_breaks_is_resumed_where_it_stopped(blobs: S3Blobs, between: Proxy, tmp_path: Path) -> None:
    data = random.Random(6).randbytes(2_000_000)
    blobs.put("a", data)
    between.requests.clear()

    def break_off(request: Request, answer: Answer) -> None:
        if request.method == "GET":
            answer.cut = 300_000

    between.on_answer = break_off
    with blobs.open("a") as stream:
        assert stream.read() == data
    assert len(between.requests) > 6
    assert blobs.read("a") == data
    assert blobs.read("a", 1000, 900_000) == data[1000:901_000]


def test_a_download_that_gets_nowhere_gives_up(blobs: S3Blobs, between: Proxy) -> None:
    blobs.put("a", bytes(100_000))

    def break_off(request: Request, answer: Answer) -> None:
        if request.method == "GET":
            answer.cut = 0

    between.on_answer = break_off
    with blobs.open("a") as stream, pytest.raises(StorageUnavailable) as caught:
        stream.read()
    assert "no whole answer" in one_line(caught.value)


def test_a_blob_replaced_while_it_is_read_is_not_mixed(s3: S3Server, blobs: S3Blobs, between: Proxy) -> None:
    blobs.put("a", bytes(500_000))

    def break_off_and_replace(request: Request, answer: Answer) -> None:
        if request.method == "GET" and answer.status == 200:
            answer.cut = 200_000
            s3.client.put_object(Bucket=blobs.bucket, Key="news/a", Body=b"x" * 500_000)

    between.on_answer = break_off_and_replace
    with blobs.open("a") as stream, pytest.raises(StorageError) as caught:
        stream.read()
    assert "changed" in one_line(caught.value)


def test_a_store_that_knows_no_ranges_is_read_correctly(blobs: S3Blobs, between: Proxy) -> None:
    data = random.Random(7).randbytes(200_000)
    blobs.put("a", data)

    def forget_the_range(request: Request) -> None:
        request.headers = {name: value for name, value in request.headers.items() if name.lower() != "range"}

    between.on_request = forget_the_range
    assert blobs.read("a", 150_000, 1000) == data[150_000:151_000]
    assert blobs.read("a", 199_000, 5000) == data[199_000:]
    assert blobs.read("a", 500_000) == b""


# Stores that cannot be used


def all_uses(blobs: S3Blobs, file: Path) -> list[StorageError]:
    """Try everything and return what each attempt raised."""
    raised: list[StorageError] = []
    for use in (
        lambda: blobs.check(write=True),
        lambda: blobs.check(write=False),
        lambda: list(blobs.keys()),
        lambda: blobs.size("a"),
        lambda: blobs.read("a"),
        lambda: blobs.open("a"),
        lambda: blobs.put("a", b"x"),
        lambda: blobs.put("a", b"x", replace=True),
        lambda: blobs.put_file("a", file),
        lambda: blobs.delete("a"),
    ):
        with pytest.raises(StorageError) as caught:
            use()
        one_line(caught.value)
        raised.append(caught.value)
    assert file.exists()
    return raised


def test_a_missing_bucket_is_said_by_name(between: Proxy, file: Path) -> None:
    for error in all_uses(S3Blobs("s3://no-such-bucket/news"), file):
        assert isinstance(error, StorageUnavailable)
        assert f"bucket no-such-bucket does not exist at {between.endpoint}; create it" in str(error)


@pytest.mark.parametrize(
    ("status", "code", "expected", "words"),
    [
        (403, "SignatureDoesNotMatch", StorageUnavailable, "does not accept the credentials (SignatureDoesNotMatch)"),
        (403, "InvalidAccessKeyId", StorageUnavailable, "check AWS_ACCESS_KEY_ID"),
        (400, "ExpiredToken", StorageUnavailable, "AWS_PROFILE"),
        (403, "AccessDenied", StorageUnavailable, "access to s3://bucket/news is denied (AccessDenied)"),
        (403, "RequestTimeTooSkewed", StorageUnavailable, "set the clock"),
        (403, "QuotaExceeded", StorageFull, "s3://bucket/news is full"),
        (507, "InsufficientStorage", StorageFull, "free some space"),
        (503, "SlowDown", StorageUnavailable, "try again later"),
        (418, "Teapot", StorageError, "see the store's log"),
    ],
)
def test_every_refusal_of_a_store_is_told_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, file: Path, status: int, code: str, expected: type[StorageError], words: str
) -> None:
    with proxy() as refusing:
        refusing.on_request = lambda request: Answer.error(status, code, "the secret is test-secret\nand more")
        use_environment(monkeypatch, refusing.env | {"AWS_MAX_ATTEMPTS": "1"})
        for error in all_uses(S3Blobs("s3://bucket/news"), file):
            assert type(error) is expected
            assert words in str(error)


def test_an_endpoint_that_nobody_answers_at_is_named(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    with proxy() as gone:
        pass
    with_password = gone.endpoint.replace("http://", "http://user:test-secret@")
    use_environment(monkeypatch, gone.env | {"AWS_MAX_ATTEMPTS": "1", "AWS_ENDPOINT_URL": with_password})
    for error in all_uses(S3Blobs("s3://bucket/news"), file):
        assert isinstance(error, StorageUnavailable)
        assert gone.endpoint in str(error)
        assert "check AWS_ENDPOINT_URL" in str(error)


@pytest.mark.parametrize("endpoint", ["localhost:9000", "not a url", "ftp://user:test-secret@"])
def test_an_endpoint_that_is_no_url_is_said(between: Proxy, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(StorageUnavailable) as caught:
        S3Blobs("s3://bucket/news").check(write=False)
    assert "AWS_ENDPOINT_URL" in one_line(caught.value)


def test_missing_credentials_are_said(between: Proxy, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for error in all_uses(S3Blobs("s3://bucket/news"), file):
        assert isinstance(error, StorageUnavailable)
        assert "credentials" in str(error)
        assert "AWS_PROFILE" in str(error)


def test_a_profile_that_does_not_exist_is_said(between: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "typo")
    with pytest.raises(StorageUnavailable) as caught:
        S3Blobs("s3://bucket/news").check(write=False)
    assert "typo" in one_line(caught.value)


def test_a_name_no_bucket_can_have_is_said(between: Proxy, file: Path) -> None:
    for error in all_uses(S3Blobs("s3://not a bucket!/news"), file):
        assert isinstance(error, StorageUnavailable)
        assert "'not a bucket!' cannot be the name of a bucket" in str(error)
    assert between.requests == []


def test_a_bucket_that_may_only_be_read_fails_the_check_for_writing(blobs: S3Blobs, between: Proxy) -> None:
    between.on_request = lambda request: (
        Answer.error(403, "AccessDenied") if request.method in ("PUT", "DELETE") else None
    )
    blobs.check(write=False)
    with pytest.raises(StorageUnavailable) as caught:
        blobs.check(write=True)
    assert "s3:PutObject" in one_line(caught.value)


def test_a_missing_key_in_a_present_bucket_is_just_missing(blobs: S3Blobs) -> None:
    for use in (blobs.size, blobs.read, blobs.open):
        with pytest.raises(KeyNotFound):
            use("a")


def test_a_file_that_grows_while_it_is_uploaded_is_kept(blobs: S3Blobs, between: Proxy, file: Path) -> None:
    def append(request: Request) -> None:
        if is_upload(request):
            with open(file, "ab") as spool:
                spool.write(b"one more record")

    between.on_request = append
    with pytest.raises(UploadMismatch) as caught:
        blobs.put_file("a", file)
    assert "grew" in one_line(caught.value)
    assert file.stat().st_size == 100_015


# Imports


def test_boto3_is_imported_at_the_first_request_only(s3: S3Server) -> None:
    program = "import sys; from storage.blobs import open_blobs; open_blobs('s3://bucket/news'); "
    program += "sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, env=clean_environ(s3.env))


def test_threads_share_one_client(s3_blobs: S3Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    connect = s3_module._connect
    monkeypatch.setattr(s3_module, "_connect", lambda: made.append(1) or connect())
    threads = [threading.Thread(target=s3_blobs.put, args=(f"{number}", b"x")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert len(list(s3_blobs.keys())) == 8
