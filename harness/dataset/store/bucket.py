"""A prefix of a bucket in an object store: s3:// through s3fs, gs:// through gcsfs.

One put is whole or absent, and a listing shows what was put: both stores promise that. Neither
has a lock, so a prefix must have a single writer at a time; any number may read.

Addresses and secrets come from where the tools of these stores look for them
(AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_PROFILE, …; GOOGLE_APPLICATION_CREDENTIALS, …), and
polars is told the same.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Protocol, cast

from harness.dataset.store import Entry, Store, Vanished
from harness.errors import HarnessError, UseError
from harness.model import installed

_PACKAGES = {"s3": ("s3fs", "s3"), "gs": ("gcsfs", "gcs")}
"""The package for a scheme, and the extra of baremark that installs it."""
_CONNECT_S = 5
_READ_S = 30
_TRIES = 2
_REGION = "us-east-1"
"""Where none is configured: what S3 itself calls the default, and what compatible servers take."""
_STAMPS = ("ETag", "generation", "etag", "md5Hash")
"""What differs when an object was replaced, whichever of them a store tells."""
_SECRETS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
}


class _Files(Protocol):
    """What is used of a file system of fsspec."""

    def ls(self, path: str, *, detail: bool, refresh: bool) -> list[dict[str, object]]: ...

    def exists(self, path: str) -> bool: ...

    def pipe_file(self, path: str, value: bytes, *, mode: str) -> None: ...

    def rm_file(self, path: str) -> None: ...


class Bucket:
    """The objects under one prefix, without those of prefixes below it."""

    def __init__(self, scheme: str, bucket: str, prefix: str) -> None:
        self._scheme = scheme
        self._bucket = bucket
        self._path = f"{bucket}/{prefix}" if prefix else bucket
        self._package = _package(scheme)

    @property
    def url(self) -> str:
        return f"{self._scheme}://{self._path}"

    @cached_property
    def _files(self) -> _Files:
        """Made where it is first used: that alone may look for credentials."""
        if self._scheme == "s3":
            return _s3(self._package)
        return cast(
            _Files, self._package.GCSFileSystem(use_listings_cache=False, requests_timeout=_READ_S)
        )

    @cached_property
    def options(self) -> dict[str, str | int] | None:
        return _s3_options() if self._scheme == "s3" else {"max_retries": _TRIES}

    def entries(self) -> tuple[Entry, ...]:
        with self._reached("list"):
            try:
                found = self._files.ls(self._path, detail=True, refresh=True)
            except FileNotFoundError:
                self._require_bucket()
                return ()
        entries = [entry for each in found if (entry := self._entry(each)) is not None]
        return tuple(sorted(entries, key=lambda entry: entry.name))

    def find(self, names: Collection[str]) -> dict[str, Entry]:
        return {entry.name: entry for entry in self.entries() if entry.name in names}

    def _entry(self, found: dict[str, object]) -> Entry | None:
        name = str(found["name"]).removeprefix(f"{self._path}/")
        if found["type"] != "file" or not name or "/" in name or name.startswith("."):
            return None
        size = int(str(found["size"]))
        stamp = next((found[key] for key in _STAMPS if found.get(key)), "")
        return Entry(name, size, f"{stamp}-{size}")

    def address(self, name: str) -> str:
        return f"{self.url}/{name}"

    def write(self, name: str, data: bytes, *, new: bool = False) -> None:
        with self._reached(f"write {name} to"):
            try:
                self._files.pipe_file(
                    f"{self._path}/{name}", data, mode="create" if new else "overwrite"
                )
            except FileExistsError:
                raise HarnessError(
                    f"{self.address(name)} is there already: another process writes there too",
                    "an object store must have one writer at a time: wait, and say it again",
                ) from None
            except FileNotFoundError:
                self._require_bucket()
                raise

    def remove(self, name: str) -> None:
        with self._reached(f"remove {name} from"):
            try:
                self._files.rm_file(f"{self._path}/{name}")
            except FileNotFoundError:
                return

    def within(self, folder: str) -> Store:
        prefix = f"{self._path}/{folder}".removeprefix(f"{self._bucket}/")
        return Bucket(self._scheme, self._bucket, prefix)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """There is no lock to hold."""
        yield

    def sweep(self) -> None:
        """A put that was cut off left nothing."""

    def _require_bucket(self) -> None:
        if not self._files.exists(self._bucket):
            raise HarnessError(
                f"there is no bucket {self._bucket!r} ({self.url})",
                f"make it, or correct the name; {self._endpoint}",
            )

    @property
    def _endpoint(self) -> str:
        if self._scheme != "s3":
            return "the endpoint is Google's"
        given = _s3_endpoint()
        return f"AWS_ENDPOINT_URL is {given}" if given else "AWS_ENDPOINT_URL is not set"

    @contextmanager
    def _reached(self, what: str) -> Iterator[None]:
        """Turns what these packages raise into a HarnessError that says what to check."""
        try:
            yield
        except FileNotFoundError as error:
            raise Vanished(f"cannot {what} {self.url}: {error}", "say it again") from None
        except _troubles(self._scheme) as error:
            kind, said = type(error).__name__, _first_line(error)
            denied = isinstance(error, PermissionError | RuntimeError)
            if denied or "Cred" in kind or "Auth" in kind:
                raise HarnessError(
                    f"may not {what} {self.url}: {said}",
                    f"check {_SECRETS[self._scheme]}, and what they may do; {self._endpoint}",
                ) from None
            raise HarnessError(
                f"cannot {what} {self.url}: {said}",
                f"check the address and the network; {self._endpoint}",
            ) from None


def _package(scheme: str) -> ModuleType:
    """The package for `scheme`; UseError where it is not installed."""
    package, extra = _PACKAGES[scheme]
    try:
        return import_module(package)
    except ImportError:
        raise UseError(
            f"{scheme}:// needs the package {package}, which is not installed",
            installed.more(extra),
        ) from None


def _s3(package: ModuleType) -> _Files:
    files = package.S3FileSystem(
        endpoint_url=_s3_endpoint(),
        use_listings_cache=False,
        skip_instance_cache=True,
        config_kwargs={
            "connect_timeout": _CONNECT_S,
            "read_timeout": _READ_S,
            "retries": {"max_attempts": _TRIES},
        },
    )
    files.retries = _TRIES
    return cast(_Files, files)


def _s3_endpoint() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def _s3_options() -> dict[str, str | int]:
    """For polars, what s3fs found by itself: it looks into files that polars does not know."""
    session = import_module("botocore.session").get_session()
    options: dict[str, str | int] = {
        "max_retries": _TRIES,
        "aws_region": session.get_config_variable("region") or _REGION,
    }
    found = session.get_credentials()
    if found is not None:
        frozen = found.get_frozen_credentials()
        options["aws_access_key_id"] = frozen.access_key
        options["aws_secret_access_key"] = frozen.secret_key
        if frozen.token:
            options["aws_session_token"] = frozen.token
    endpoint = _s3_endpoint()
    if endpoint is not None:
        options["aws_endpoint_url"] = endpoint
        if endpoint.startswith("http://"):
            options["aws_allow_http"] = "true"
    return options


def _troubles(scheme: str) -> tuple[type[Exception], ...]:
    """What can be raised where a store is not reached, or says no."""
    found: list[type[Exception]] = [OSError, import_module("aiohttp").ClientError]
    if scheme == "s3":
        errors = import_module("botocore.exceptions")
        found += [errors.BotoCoreError, errors.ClientError]
    else:
        # gcsfs gives up on credentials with a RuntimeError.
        found += [
            import_module("google.auth.exceptions").GoogleAuthError,
            import_module("gcsfs.retry").HttpError,
            RuntimeError,
        ]
    return tuple(found)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
