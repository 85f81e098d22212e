from concepts.definitions import defs
from concepts.resources import client


def test_a_typed_parameter_gets_the_resource(execute, logs):
    assert "Hello, moon" in logs(execute("resources_job"))


def test_a_resource_is_configured_where_it_is_made(instance, logs):
    from concepts.resources import Greeter, resources_job

    result = resources_job.execute_in_process(
        instance=instance, resources={"pipes": client, "greeter": Greeter(pipes=client, word="Hi")}
    )
    assert "Hi, moon" in logs(result)


def test_required_resource_keys(execute, logs):
    assert "Hello, sun" in logs(execute("resources_job"))
    assert defs.resources["pipes"] is client
