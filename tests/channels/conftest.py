"""The channels, each for itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from channel_harness import BUCKET, Place, s3_server

KINDS = ("file", "directory", "objects", "s3", "boto3")
_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    pytest.importorskip("moto")
    with s3_server() as address:
        yield address


@pytest.fixture
def s3(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an S3 that has a bucket, which the environment leads to."""
    boto3 = pytest.importorskip("boto3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_address)
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    return s3_address


@pytest.fixture
def make_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Place]:
    def make_place(kind: str) -> Place:
        if kind in ("s3", "boto3"):
            request.getfixturevalue("s3")
        number = next(_numbers)
        here = tmp_path / str(number)
        match kind:
            case "file":
                return Place(kind, {"path": str(here)})
            case "directory":
                here.mkdir()
                return Place(kind, {"path": str(here)})
            case "objects":
                return Place(kind, {"root": str(here)})
            case "s3":
                return Place(kind, {"url": f"s3://{BUCKET}/sessions/{number}"})
            case _:
                return Place(kind, {"bucket": BUCKET, "key_prefix": f"sessions/{number}"})

    return make_place


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, make_place: Callable[[str], Place]) -> Place:
    return make_place(request.param)


@pytest.fixture(params=KINDS[1:])
def chunked(request: pytest.FixtureRequest, make_place: Callable[[str], Place]) -> Place:
    return make_place(request.param)
