import dagster as dg
import pytest

from concepts import ops
from concepts.resources import client


def inputs(op: str, **values: object) -> dict[str, object]:
    return {"ops": {op: {"inputs": values}}}


def test_an_op_adds_two_integers(execute, logs):
    result = execute("add_job", inputs("add", a=2, b=40))
    assert result.output_for_node("add") == 42
    assert "adding 2 and 40" in logs(result)


@pytest.mark.parametrize("other", ["2", 2.5, None, [2]])
def test_the_op_refuses_others_in_the_config(execute, other):
    with pytest.raises(dg.DagsterInvalidConfigError):
        execute("add_job", inputs("add", a=other, b=40))


@pytest.mark.parametrize("other", ["2", 2.5, None, [2]])
def test_the_op_refuses_others_from_an_op(instance, logs, other):
    @dg.op
    def give():
        return other

    @dg.job(resource_defs={"pipes": client})
    def wrong_job():
        ops.add(give(), give())

    result = wrong_job.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    (failure,) = [event for event in result.all_node_events if event.is_step_failure]
    assert failure.step_key == "add"
    assert 'Type check failed for step input "a"' in failure.step_failure_data.error.message
    assert not any("adding" in line for line in logs(result)), "the process started"


def test_a_graph_uses_the_op_twice(execute):
    result = execute("add_three", {"inputs": {"a": 1, "b": 2, "c": 3}})
    assert result.output_value() == 6
    assert result.output_for_node("add") == 3
    assert result.output_for_node("add_2") == 6


def test_two_ops_hand_a_string_on(execute, logs):
    result = execute("shout_job")
    assert result.output_for_node("find_word") == "ironpipe"
    assert result.output_for_node("shout") == "IRONPIPE"
    assert "got 'ironpipe'" in logs(result)


def test_an_op_and_its_process_log(execute, logs):
    lines = logs(execute("shout_job"))
    assert lines.index("find_word asks a process for a word") < lines.index("found one")
