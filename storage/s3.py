"""Blobs in an S3 bucket: Amazon's or any store that speaks its protocol.

Endpoint, region, profile and credentials are boto3's business: ``AWS_*`` variables, ``~/.aws``, instance roles. What
differs between stores decides the code here. Conditional writes are asked for but not relied on, because some stores
ignore them. An ETag proves an upload where it is the MD5 of what was sent (or, for parts, the MD5 of their MD5s);
encrypted buckets and some stores have other ETags, and then the object is read back and compared.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from storage.blobs import CHUNK, check_key, check_span, is_key, is_listed, same_bytes
from storage.errors import KeyExists, KeyNotFound, StorageError, StorageFull, StorageUnavailable, UploadMismatch

SINGLE_BYTES = 64 << 20
"""Largest blob that is sent in one request; a larger one goes in parts."""
PART_BYTES = 16 << 20
"""Size of a part, larger only where 10,000 of them, the protocol's limit, would not do."""
PARTS_AT_ONCE = 4
RESUMES = 5
"""How often in a row a broken download is taken up again without having got any further."""

_MOST_PARTS = 10_000
_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_NETWORK_BYTES = 64 << 10  # what a broken connection can lose of what it had already brought

_MISSING = frozenset({"NoSuchKey", "NotFound", "404"})
_TAKEN = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "NoSuchUpload"})
_DAMAGED = frozenset({"BadDigest", "InvalidDigest", "IncompleteBody", "XAmzContentSHA256Mismatch"})
_CREDENTIALS = frozenset(
    {"SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidToken", "ExpiredToken", "TokenRefreshRequired"}
)
_OTHER_REGION = frozenset({"PermanentRedirect", "301", "AuthorizationHeaderMalformed"})
_RIGHTS = "s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject"


class S3Blobs:
    """Blobs as objects below ``s3://bucket/prefix``; the client is made at the first request."""

    local: Path | None = None

    def __init__(self, location: str) -> None:
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        prefix = prefix.strip("/")
        if not location.startswith("s3://") or not bucket or (prefix and not is_key(prefix)):
            raise StorageUnavailable(f"{location!r} names no place in a bucket; write s3://bucket/prefix")
        self.bucket = bucket
        self.location = f"s3://{bucket}/{prefix}".rstrip("/")
        self._root = prefix and prefix + "/"
        self._lock = threading.Lock()
        self._client: Any = None
        self._bucket_is_known = False
        self._has_conditions = True

    def __repr__(self) -> str:
        return f"S3Blobs({self.location!r})"

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield keys page by page (1,000 a request), in the order the protocol promises: by UTF-8 bytes."""
        if not is_key(prefix + "x"):
            return
        with self._errors():
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self._root + prefix)
            for page in pages:
                for item in page.get("Contents", ()):
                    key = item["Key"].removeprefix(self._root)
                    if is_listed(key):
                        yield key

    def size(self, key: str) -> int:
        """Return the length of the object in bytes."""
        stored = self._head(key)
        if stored is None:
            raise self._missing(key)
        return stored.size

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Return part of the object by one ranged request."""
        check_span(offset, length)
        if length == 0:
            self.size(key)
            return b""
        with closing(_Download(self, key, offset, None if length is None else offset + length)) as download:
            return b"".join(iter(lambda: download.take(CHUNK), b""))

    def open(self, key: str) -> BinaryIO:
        """Open the object; a connection that breaks on the way is resumed where it stopped."""
        return cast(BinaryIO, io.BufferedReader(_Download(self, key), CHUNK))

    def put(self, key: str, data: bytes, *, replace: bool = False) -> None:
        """Store ``data`` as one object."""
        check_key(key)
        source = _Source(len(data), lambda: io.BytesIO(data))
        if not replace and self._head(key) is not None:
            raise self._taken(key)
        sent = self._send(key, source, replace=replace)
        if sent != source.etag():
            self._confirm(key, source, sent="" if replace else sent)

    def put_file(self, key: str, path: Path) -> None:
        """Upload a file, large ones in parts; it is removed once the store has proven to hold its bytes."""
        check_key(key)

        def read_file() -> BinaryIO:
            return open(path, "rb")

        try:
            source = _Source(path.stat().st_size, read_file)
            self._store_file(key, source)
            if path.stat().st_size != source.size:
                raise UploadMismatch(f"{path} grew while it was stored as {key} and is kept; close it first")
            path.unlink()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise StorageError(f"{path}: {reason}; make it readable and removable to store it as {key}") from error

    def _store_file(self, key: str, source: _Source) -> None:
        stored = self._head(key)
        if stored is None:
            self._confirm(key, source, sent=self._send(key, source))
        elif not self._holds(key, stored, source):
            raise self._taken(key)

    def delete(self, key: str) -> None:
        """Remove the object; in a versioned bucket its older versions stay."""
        name = self._name(key)
        with suppress(KeyNotFound), self._errors(key):
            self._s3.delete_object(Bucket=self.bucket, Key=name)

    def check(self, *, write: bool) -> None:
        """Raise StorageUnavailable unless the bucket can be listed and, if ``write``, written to and deleted from."""
        self._list_one()
        if write:
            probe = f".check-{secrets.token_hex(8)}"
            self._send(probe, _Source(5, lambda: io.BytesIO(b"check")), replace=True)
            self.delete(probe)

    def _list_one(self) -> None:
        with self._errors():
            self._s3.list_objects_v2(Bucket=self.bucket, Prefix=self._root, MaxKeys=1)
        self._bucket_is_known = True

    def _head(self, key: str) -> _Stored | None:
        name = self._name(key)
        try:
            with self._errors(key):
                answer = self._s3.head_object(Bucket=self.bucket, Key=name)
        except KeyNotFound:
            if not self._bucket_is_known:  # a HEAD's answer has no body to say which of the two is missing
                self._list_one()
            return None
        except StorageError as error:
            if hasattr(error.__cause__, "response"):  # nor why it is refused
                self._list_one()
            raise
        self._bucket_is_known = True
        return _Stored(answer["ContentLength"], _etag(answer))

    def _get(self, key: str, start: int, stop: int | None) -> dict[str, Any]:
        """Request bytes from ``start`` up to before ``stop``; errors are botocore's."""
        wanted = {} if start == 0 and stop is None else {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"}
        return cast(dict[str, Any], self._s3.get_object(Bucket=self.bucket, Key=self._name(key), **wanted))

    def _send(self, key: str, source: _Source, *, replace: bool = False) -> str:
        """Upload ``source`` and return the ETag of what the store now holds.

        A refusal because the key is taken is no error where it holds these very bytes: an answer that got lost makes
        boto3 ask twice, and a second writer may have stored the same.
        """
        upload = self._send_whole if source.count == 1 else self._send_parts
        try:
            with self._errors(key):
                return upload(self._name(key), source, replace)
        except KeyExists:
            stored = self._head(key)
            if stored is None:
                raise StorageError(f"the upload of {key} to {self.location} was ended elsewhere; try again") from None
            if not self._holds(key, stored, source):
                raise
            return stored.etag

    def _send_whole(self, name: str, source: _Source, replace: bool) -> str:
        data = source.part(0)
        request = {"Bucket": self.bucket, "Key": name, "Body": data, "ContentMD5": source.content_md5(0)}
        return _etag(self._publish(self._s3.put_object, request, replace))

    def _send_parts(self, name: str, source: _Source, replace: bool) -> str:
        place = {"Bucket": self.bucket, "Key": name}
        place["UploadId"] = self._s3.create_multipart_upload(**place)["UploadId"]

        def send(number: int) -> dict[str, Any]:
            data = source.part(number)
            checked = {"Body": data, "ContentMD5": source.content_md5(number)}
            answer = self._s3.upload_part(**place, **checked, PartNumber=number + 1)
            return {"PartNumber": number + 1, "ETag": answer["ETag"]}

        try:
            with ThreadPoolExecutor(PARTS_AT_ONCE) as pool:
                parts = list(pool.map(send, range(source.count)))
            request = {**place, "MultipartUpload": {"Parts": parts}}
            return _etag(self._publish(self._s3.complete_multipart_upload, request, replace))
        except BaseException:
            with suppress(StorageError), self._errors():
                self._s3.abort_multipart_upload(**place)
            raise

    def _publish(self, operation: Callable[..., Any], request: dict[str, Any], replace: bool) -> Any:
        """Send the request that makes an object visible, on the condition that none is, where the store has any."""
        from botocore.exceptions import ClientError

        if self._has_conditions and not replace:
            try:
                return operation(**request, IfNoneMatch="*")
            except ClientError as error:
                if _code(error) != "NotImplemented":
                    raise
                self._has_conditions = False
        return operation(**request)

    def _confirm(self, key: str, source: _Source, *, sent: str) -> None:
        """Raise UploadMismatch unless the store holds ``source``; the bad object is deleted if ``sent`` is its ETag."""
        stored = self._head(key)
        if stored is not None and self._holds(key, stored, source):
            return
        if stored is not None and sent and stored.etag == sent:
            self.delete(key)
        found = "nothing" if stored is None else f"{stored.size} bytes, not the same,"
        raise UploadMismatch(
            f"{self.location} holds {found} after {source.size} bytes were sent as {key}; they are kept here, try again"
        )

    def _holds(self, key: str, stored: _Stored, source: _Source) -> bool:
        if stored.size != source.size:
            return False
        if source.may_have(stored.etag) and stored.etag == source.etag():
            return True
        with self.open(key) as theirs, source.open() as ours:
            return same_bytes(theirs, ours)

    def _name(self, key: str) -> str:
        return self._root + check_key(key)

    @property
    def _s3(self) -> Any:
        with self._lock:
            if self._client is None:
                try:
                    self._client = _connect()
                except ValueError as error:  # botocore's word for an endpoint that is no URL
                    raise StorageUnavailable(f"{_one_line(error)}; check AWS_ENDPOINT_URL and AWS_REGION") from error
            return self._client

    @contextmanager
    def _errors(self, key: str = "") -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            raise self._explain_answer(error, key) from error
        except BotoCoreError as error:
            raise self._explain_failure(error) from error

    def _explain_answer(self, error: Any, key: str) -> StorageError:
        """Translate an error the store answered with."""
        code, status = _code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "NoSuchBucket" or (code in _MISSING and not key):
            return StorageUnavailable(
                f"bucket {self.bucket} does not exist at {self._endpoint}; create it or check the name and the endpoint"
            )
        if code in _MISSING:
            return self._missing(key)
        if code in _TAKEN:
            return self._taken(key)
        if code.endswith("QuotaExceeded") or code in ("InsufficientStorage", "XMinioStorageFull") or status == 507:
            return StorageFull(f"{self.location} is full ({code}); free some space or raise the quota")
        if code in _DAMAGED:
            return UploadMismatch(f"{key} reached {self.location} damaged ({code}); it is kept here, try again")
        if code in _CREDENTIALS:
            return StorageUnavailable(
                f"{self._endpoint} does not accept the credentials ({code}); check AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            )
        if code in _OTHER_REGION:
            return StorageUnavailable(f"bucket {self.bucket} is in another region ({code}); set AWS_REGION to it")
        if code == "RequestTimeTooSkewed":
            return StorageUnavailable(f"the clock here and that of {self._endpoint} differ; set the clock right")
        if code in ("AccessDenied", "AllAccessDisabled") or status in (401, 403):
            return StorageUnavailable(
                f"access to {self.location} is denied ({code}); check the credentials, or grant them {_RIGHTS}"
            )
        if status >= 500 or status == 429:
            return StorageUnavailable(f"{self._endpoint} keeps failing ({code}); try again later")
        operation = error.operation_name
        return StorageError(f"{self.location} refuses {operation} of {key!r} ({code}, {status}); see the store's log")

    def _explain_failure(self, error: Exception) -> StorageError:
        """Translate an error that botocore met before, or instead of, an answer."""
        from botocore import exceptions as boto

        name = type(error).__name__
        if isinstance(error, boto.SSLError):
            return StorageUnavailable(f"no trusted TLS connection to {self._endpoint}; check it, or set AWS_CA_BUNDLE")
        if isinstance(error, boto.HTTPClientError | boto.ConnectionError | boto.IncompleteReadError):
            return StorageUnavailable(
                f"no whole answer from {self._endpoint} ({name}); check AWS_ENDPOINT_URL, AWS_REGION and the network"
            )
        if isinstance(error, boto.ParamValidationError | boto.InvalidDNSNameError):
            return StorageUnavailable(f"{self.bucket!r} cannot be the name of a bucket; check s3://bucket/prefix")
        if isinstance(error, boto.FlexibleChecksumError | boto.ChecksumError):
            return StorageError(f"what {self.location} sent does not match its checksum; try again")
        return StorageUnavailable(
            f"S3 cannot be used ({name}: {_one_line(error)}); check AWS_PROFILE, the AWS_* variables and ~/.aws"
        )

    @property
    def _endpoint(self) -> str:
        """The endpoint's URL as it may be shown: without user and password."""
        if self._client is None:
            return "S3"
        url = urlsplit(self._client.meta.endpoint_url)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"

    def _missing(self, key: str) -> KeyNotFound:
        return KeyNotFound(f'{self.location} holds no {key}; "archiver verify" tells what is missing')

    def _taken(self, key: str) -> KeyExists:
        return KeyExists(f"{self.location} already holds {key}, and blobs never change; use another key")


@dataclass(frozen=True, slots=True)
class _Stored:
    size: int
    etag: str
    """Without quotes; empty where the store tells none."""


class _Source:
    """Bytes on their way into the bucket, cut into parts; each part's MD5 is taken as it is read."""

    def __init__(self, size: int, open: Callable[[], BinaryIO]) -> None:
        self.size = size
        self.open = open
        self._step = size if size <= SINGLE_BYTES else max(PART_BYTES, -(-size // _MOST_PARTS))
        self.count = -(-size // self._step) if size else 1
        self._digests: dict[int, bytes] = {}

    def part(self, number: int) -> bytes:
        with self.open() as file:
            file.seek(number * self._step)
            data = file.read(self._step)
        self._digests[number] = hashlib.md5(data, usedforsecurity=False).digest()
        return data

    def content_md5(self, number: int) -> str:
        """Return what the Content-MD5 header says of a part that was read."""
        return base64.b64encode(self._digests[number]).decode()

    def may_have(self, etag: str) -> bool:
        """Tell by its form whether an ETag can be that of these parts, so that hashing them is worth it."""
        return len(etag) == 32 if self.count == 1 else etag.endswith(f"-{self.count}")

    def etag(self) -> str:
        """Return the ETag S3 gives these bytes, sent as these parts and not encrypted."""
        for number in range(self.count):
            if number not in self._digests:
                self.part(number)
        digests = [self._digests[number] for number in range(self.count)]
        if self.count == 1:
            return digests[0].hex()
        return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{self.count}"


class _Download(io.RawIOBase):
    """An object's bytes from ``start`` up to before ``stop``, over as many connections as it takes."""

    def __init__(self, blobs: S3Blobs, key: str, start: int = 0, stop: int | None = None) -> None:
        self._blobs = blobs
        self._key = check_key(key)
        self._position = start
        self._stop = stop
        self._etag: str | None = None
        self._body: Any = None
        with blobs._errors(key):
            self._connect()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.take(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def take(self, most: int) -> bytes:
        """Return the next bytes, at most ``most``; none at the end."""
        if self._stop is not None:
            most = min(most, self._stop - self._position)
        if most <= 0:
            return b""
        with self._blobs._errors(self._key):
            data = self._read(most)
        self._position += len(data)
        return data

    def _read(self, most: int) -> bytes:
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        breaks = 0
        while True:
            try:
                return cast(bytes, self._body.read(min(most, _NETWORK_BYTES)))
            except (HTTPClientError, IncompleteReadError):
                breaks += 1
                if breaks > RESUMES:
                    raise
                self._connect()

    def _connect(self) -> None:
        """Request what is still to come and learn where it ends."""
        from botocore.exceptions import ClientError

        self._disconnect()
        try:
            answer = self._blobs._get(self._key, self._position, self._stop)
        except ClientError as error:
            if _code(error) not in ("InvalidRange", "416") or self._etag is not None:
                raise
            self._stop = self._position  # nothing lies there: the blob ends before
            return
        self._body = answer["Body"]
        if self._etag not in (None, _etag(answer)):
            raise StorageError(f"{self._key} changed in {self._blobs.location} while it was read; read it again")
        self._etag = _etag(answer)
        skipped = 0 if "ContentRange" in answer else self._position  # some stores know no ranges and send everything
        if "ContentLength" in answer:
            end = self._position - skipped + answer["ContentLength"]
            self._stop = end if self._stop is None else min(end, self._stop)
        while skipped > 0 and (data := self._body.read(min(skipped, CHUNK))):
            skipped -= len(data)

    def _disconnect(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def close(self) -> None:
        self._disconnect()
        super().close()


def _connect() -> Any:
    """Make a client as boto3 users expect it, with what other stores than Amazon's need where nobody chose.

    Those know no checksum trailers (rclone answers a range with the checksum of the whole object) and are reached by
    path, not by bucket name in front of their host. Retries keep botocore's standard mode, AWS_MAX_ATTEMPTS included.
    """
    import boto3
    import botocore.session
    from botocore.config import Config

    session = botocore.session.get_session()
    chosen = session.get_scoped_config()
    settings: dict[str, Any] = {
        "signature_version": "s3v4",
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": _READ_SECONDS,
        "max_pool_connections": 16,
    }
    for setting in ("request_checksum_calculation", "response_checksum_validation"):
        if setting not in chosen and f"AWS_{setting.upper()}" not in os.environ:
            settings[setting] = "when_required"
    aws = boto3.session.Session(botocore_session=session)
    client = aws.client("s3", config=Config(**settings))
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    own_style = chosen.get("s3")
    if (isinstance(own_style, dict) and "addressing_style" in own_style) or _is_amazon(host):
        return client
    return aws.client("s3", config=Config(**settings, s3={"addressing_style": "path"}))


def _is_amazon(host: str) -> bool:
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"))


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _etag(answer: dict[str, Any]) -> str:
    return str(answer.get("ETag", "")).strip('"')


def _one_line(error: Exception) -> str:
    """Return an error's text as one line without the user and password a URL may hold."""
    return re.sub(r"//[^/@\s]*@", "//", " ".join(str(error).split()))[:200]
