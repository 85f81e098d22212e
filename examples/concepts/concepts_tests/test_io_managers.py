import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "reports"


@pytest.fixture
def bucket(monkeypatch):
    """A bucket on an S3 of our own, which the environment points to."""
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "CONCEPTS_BUCKET": BUCKET,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    try:
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        yield s3
    finally:
        server.stop()


def test_an_op_keeps_its_output_on_s3(execute, logs, bucket):
    result = execute("s3_job")
    assert result.success
    (kept,) = bucket.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert kept["Key"] == f"concepts/storage/{result.run_id}/write_report/result"
    assert logs(result).count("ironpipe") == 1, "what was read back was said by the second process"


def test_a_plain_asset_takes_what_a_process_found(execute):
    result = execute("all_assets_job")
    assert result.asset_value("numbers") == [3, 1, 2]
    assert result.asset_value("total") == 6


def test_asset_in_names_a_key_of_several_parts(execute):
    result = execute("all_assets_job")
    (event,) = [
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key.path == ["lowest_price"]
    ]
    assert event.materialization.metadata["lowest"].value == 1
