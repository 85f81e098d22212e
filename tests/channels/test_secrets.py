"""What leads to a store stays out of all that is said of it."""

from __future__ import annotations

from typing import Any

import pytest

import ironpipe
from chunk_faults import DENIED, GATEWAY, RESET
from proxy import Answer, Fault, Proxy

SECRET = "SecretOfTheTests"
MOVED = Fault(Answer(301, {"Location": f"http://elsewhere/?sig={SECRET}"}, b"moved"))
FAULTS = {"reset": RESET, "page": GATEWAY, "denied": DENIED, "moved": MOVED}

ACCOUNT = {"azure_storage_account_name": "account"}
KEYS = {"region": "x", "access_key_id": SECRET, "secret_access_key": SECRET, "token": SECRET}
# URLs with settings that only want for an address.
STORES = {
    "keys": (f"s3://user:{SECRET}@bucket/p?sig={SECRET}", KEYS, "endpoint"),
    "token": ("gs://bucket/p", {"bearer_token": SECRET}, "base_url"),
    "signature": ("az://bucket/p", {**ACCOUNT, "sas_key": f"sv=1&sig={SECRET}"}, "endpoint"),
    "bearer": ("az://bucket/p", {**ACCOUNT, "bearer_token": SECRET}, "endpoint"),
}
REFUSED = {
    "endpoint": ("s3://bucket", {**KEYS, "endpoint": f"http://user:{SECRET}@[x"}),
    "base-url": ("gs://bucket", {"base_url": f"http://user:{SECRET}@[x"}),
    "proxy": ("s3://bucket", {**KEYS, "proxy_url": f"http://user:{SECRET}@[x"}),
    "json": ("gs://bucket", {"service_account_key": f'{{"private_key": "{SECRET}"'}),
    "pem": (
        "gs://bucket",
        {
            "service_account_key": f'{{"private_key": "{SECRET}", "client_email": "a",'
            ' "private_key_id": "b"}'
        },
    ),
    "base64": ("az://bucket", {**ACCOUNT, "azure_storage_account_key": f"{SECRET}%%"}),
    "pairs": ("az://bucket", {**ACCOUNT, "azure_storage_sas_key": f"{SECRET}%zz=&&;"}),
    "path": ("gs://bucket", {"service_account": f'{{"private_key": "{SECRET}"}}'}),
    "flag": ("s3://bucket", {**KEYS, "allow_http": SECRET}),
}
# Settings at which a request would panic.
UNFIT = {
    "newline": ("s3://bucket", "aws_secret_access_key", f"{SECRET}\n"),
    "nul": ("gs://bucket", "google_bearer_token", f"{SECRET}\0"),
    "endpoint-of-s3": ("s3://bucket", "aws_endpoint_url_s3", SECRET),
    "sts": ("s3://bucket", "aws_endpoint_url_sts", f"http://user:{SECRET}@["),
    "metadata": ("s3://bucket", "aws_metadata_endpoint", "/"),
    "authority": ("az://bucket", "azure_authority_host", SECRET),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", STORES)
def test_a_store_that_fails(
    name: str, fault: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, options, address = STORES[name]
    with Proxy("http://127.0.0.1:9").running() as proxy:
        proxy.plan = lambda _: FAULTS[fault]
        store = ironpipe.ChunkStore.open(url, {**options, address: proxy.address})
        channel = ironpipe.ChunkMessageWriterChannel(store, patience=0.1)
        log: Any = {"method": "log", "params": {"message": "x", "level": "INFO"}}
        channel.write_message(log)
        with pytest.raises(OSError, match="1 message did not arrive") as refused:
            channel.close()
        reader = ironpipe.tail_chunks(store, drain=0.1, patience=0.1)
        reader.finish()
        assert list(reader) == [] and not reader.report.is_complete
        said = [store, reader, refused.value, reader.report, *capfd.readouterr()]
    assert proxy.broken and not [text for text in map(repr, said) if SECRET in text]
    assert SECRET not in str(reader.report) + str(refused.value)


@pytest.mark.parametrize("name", REFUSED)
def test_settings_that_are_none(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    url, options = REFUSED[name]
    with pytest.raises(ironpipe.DagsterPipesError) as refused:
        ironpipe.ChunkStore.open(url, options)
    output = capfd.readouterr()
    assert SECRET not in f"{refused.value}{output.out}{output.err}"
    assert "panicked" not in output.err


@pytest.mark.parametrize("by", ["option", "variable"])
@pytest.mark.parametrize("name", UNFIT)
def test_settings_that_no_request_can_carry(
    name: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, setting, value = UNFIT[name]
    options = {}
    if by == "option":
        options[setting] = value
    elif "\0" in value:
        pytest.skip("no variable holds it")
    else:
        setting = setting.upper()
        monkeypatch.setenv(setting, value)
    with pytest.raises(
        ironpipe.DagsterPipesError, match=f"(?i)the value of `{setting}`"
    ) as refused:
        ironpipe.ChunkStore.open(url, options)
    assert SECRET not in str(refused.value)


def test_a_store_that_panics() -> None:
    key = {"azure_storage_account_key": "a2V5", "endpoint": "http://127.0.0.1:9"}
    options = {**ACCOUNT, **key, "default_content_type": "é"}
    store = ironpipe.ChunkStore.open("az://bucket", options)
    with pytest.raises(OSError, match="the store panicked"):
        store.put("a", b"x")


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "")
    ironpipe.ChunkStore.open("s3://bucket", KEYS)


def test_of_two_variables_that_of_the_provider_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_ACCOUNT", "/nowhere/general")
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", "/nowhere/special")
    with pytest.raises(ironpipe.DagsterPipesError, match="`GOOGLE_SERVICE_ACCOUNT`"):
        ironpipe.ChunkStore.open("gs://bucket")
