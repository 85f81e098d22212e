import dagster as dg
import pytest

from concepts.config import say_hello
from concepts.resources import client


@pytest.fixture
def hello_job():
    @dg.job(resource_defs={"pipes": client})
    def hello_job():
        say_hello()

    return hello_job


def config(**values: object) -> dict[str, object]:
    return {"ops": {"say_hello": {"config": values}}}


def test_a_schema_refuses_what_does_not_fit(hello_job, instance):
    for wrong in ({"greeting": 1}, {"greting": "Hi"}, {}):
        with pytest.raises(dg.DagsterInvalidConfigError):
            hello_job.execute_in_process(config(**wrong), instance=instance)


def test_config_reaches_the_process_as_extras(hello_job, instance, logs):
    result = hello_job.execute_in_process(config(greeting="Hi there"), instance=instance)
    assert "Hi there" in logs(result)


def test_a_config_mapping_fills_in_the_op(execute, logs):
    result = execute("greeting_job", {"greeting_word": "Ahoy"})
    assert "Ahoy, world" in logs(result)
    with pytest.raises(dg.DagsterInvalidConfigError):
        execute("greeting_job", config(greeting="past the mapping"))


def test_a_config_class_has_defaults(execute, logs):
    assert "Hello" in logs(execute("typed_greeting_job"))
    again = {"ops": {"say_it_again": {"config": {"word": "Hey", "times": 3}}}}
    assert "Hey Hey Hey" in logs(execute("typed_greeting_job", again))
