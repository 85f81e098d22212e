from concepts.definitions import defs
from concepts.resources import client


def test_a_typed_parameter_gets_the_resource(execute, logs):
    assert "Hello, moon" in logs(execute("resources_job"))


def test_a_resource_is_set_in_the_launchpad(execute, logs):
    config = {"resources": {"greeter": {"config": {"word": "Hi"}}}}
    assert "Hi, moon" in logs(execute("resources_job", config))


def test_required_resource_keys(execute, logs):
    assert "Hello, sun" in logs(execute("resources_job"))
    assert defs.resources["pipes"] is client
