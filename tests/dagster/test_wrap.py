"""Tools that know nothing of Pipes, wrapped: their lines stand in the event log while they run."""

import logging
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType, EventLogEntry

from binaries import IRONPIPE
from dagster_harness import Stored, read
from ironpipe.dagster import PipesSubprocessClient
from wrap_harness import compiled, python

# A process that waits for a file gives up after this many seconds, so that a test fails, not hangs.
PATIENCE = 60


@pytest.fixture
def stored_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """An instance with SQLite, whose event log others can watch."""
    monkeypatch.delenv("IRONPIPE_ON_INCOMPLETE", raising=False)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    (tmp_path / "instance").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "instance")) as instance:
        yield instance


def run_wrapped(
    instance: dg.DagsterInstance,
    argv: Sequence[str | Path],
    *options: str,
    seen: Callable[[str], None] = lambda _: None,
    **kwargs: Any,
) -> Stored:
    """Materializes asset ``a`` with a wrapped tool; ``seen`` gets each message as it is stored."""

    def on_event(entry: EventLogEntry, _cursor: str) -> None:
        seen(entry.user_message)

    @dg.asset
    def a(context: dg.AssetExecutionContext) -> Any:
        instance.watch_event_logs(context.run_id, None, on_event)
        try:
            command = [str(word) for word in (IRONPIPE, "wrap", *options, "--", *argv)]
            invocation = PipesSubprocessClient().run(context=context, command=command, **kwargs)
            return invocation.get_results()
        finally:
            instance.end_watch_event_logs(context.run_id, on_event)

    result = dg.materialize([a], instance=instance, raise_on_error=False)
    return read(instance, result.run_id, success=result.success)


class Gate:
    """Lets a tool go on once a text stands in the event log.

    The tool waits for the file ``path``. Were its lines held back until its end, it would never
    come to it.
    """

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text

    def seen(self, message: str) -> None:
        if self.text in message:
            self.path.touch()


def levels(stored: Stored) -> dict[str, int]:
    return {
        entry.user_message: entry.level for entry in stored.entries if entry.dagster_event is None
    }


def level_of(stored: Stored, part: str) -> int:
    found = {level for text, level in levels(stored).items() if part in text}
    assert len(found) == 1, (part, levels(stored))
    return found.pop()


WAITING_C = """
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv) {
    printf("plain printf\\n");
    for (int i = 0; access(argv[1], F_OK) != 0; i++) {
        if (i == 600) return 9;
        sleep(1);
    }
    printf("[warn] almost there\\n");
    fprintf(stderr, "ERROR: not quite\\n");
    return 0;
}
"""


def test_a_c_program_with_printf_and_sleep(
    stored_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate", "plain printf")
    program = compiled(WAITING_C, tmp_path)
    stored = run_wrapped(stored_instance, [program, gate.path], "--materialize", seen=gate.seen)
    assert stored.success
    assert level_of(stored, "plain printf") == logging.INFO
    assert level_of(stored, "almost there") == logging.WARNING
    assert level_of(stored, "not quite") == logging.ERROR
    (materialization,) = stored.materializations()
    assert materialization.metadata["exit_code"] == dg.MetadataValue.int(0)
    assert isinstance(materialization.metadata["duration_seconds"], dg.FloatMetadataValue)


SCRIPT = """
import logging, os, sys, time
logging.basicConfig(
    level="DEBUG", format="%(asctime)s %(levelname)-8s %(name)s: %(message)s", stream=sys.stdout
)
print("printed without a level")
for _ in range({patience} * 100):
    if os.path.exists(sys.argv[1]):
        break
    time.sleep(0.01)
else:
    sys.exit(9)
logging.debug("in detail")
logging.info("as usual")
logging.warning("watch out")
try:
    int("x")
except ValueError:
    logging.exception("went wrong")
print("to stderr", file=sys.stderr)
raise RuntimeError("and fell")
"""


def test_a_python_script_with_logging_and_a_traceback(
    stored_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate", "printed without a level")
    command = python(SCRIPT.format(patience=PATIENCE), str(gate.path))
    stored = run_wrapped(stored_instance, command, seen=gate.seen)
    assert not stored.success
    for part, level in [
        ("printed without a level", logging.INFO),
        ("in detail", logging.DEBUG),
        ("as usual", logging.INFO),
        ("watch out", logging.WARNING),
        ("went wrong", logging.ERROR),
        ("to stderr", logging.INFO),
        ("RuntimeError: and fell", logging.ERROR),
    ]:
        assert level_of(stored, part) == level
    texts = list(levels(stored))
    (logged,) = (text for text in texts if "went wrong" in text)
    assert "Traceback (most recent call last):\n" in logged
    assert logged.endswith("ValueError: invalid literal for int() with base 10: 'x'")
    (fell,) = (text for text in texts if "and fell" in text)
    assert fell.startswith("Traceback (most recent call last):\n")
    errors = [
        event.engine_event_data.error for event in stored.events(DagsterEventType.ENGINE_EVENT)
    ]
    told = "\n".join(error.message for error in errors if error is not None)
    assert "ended with exit code 1" in told
    assert "RuntimeError: and fell" in told


# pip has this build the wheel; meanwhile the test looks for what pip has printed so far.
BACKEND = """
import os, time, zipfile

def wait():
    for _ in range({patience} * 100):
        if os.path.exists({gate!r}):
            return
        time.sleep(0.01)
    raise SystemExit("nobody saw it")

METADATA = "Metadata-Version: 2.1\\nName: tinywheel\\nVersion: 1.0\\n"

def build_wheel(directory, config_settings=None, metadata_directory=None):
    wait()
    name = "tinywheel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.writestr("tinywheel.py", "answer = 42\\n")
        info = "tinywheel-1.0.dist-info/"
        wheel.writestr(info + "METADATA", METADATA)
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""


def test_pip_install_of_a_wheel(stored_instance: dg.DagsterInstance, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate", "Processing ")
    source = tmp_path / "tinywheel"
    source.mkdir()
    (source / "backend.py").write_text(BACKEND.format(patience=PATIENCE, gate=str(gate.path)))
    (source / "pyproject.toml").write_text(
        textwrap.dedent("""
            [build-system]
            requires = []
            build-backend = "backend"
            backend-path = ["."]
            [project]
            name = "tinywheel"
            version = "1.0"
        """)
    )
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--isolated"]
    options = ["--disable-pip-version-check", "--no-build-isolation", "--target", target]
    stored = run_wrapped(stored_instance, [*pip, *options, source], seen=gate.seen)
    assert stored.success, (stored.failure(), levels(stored))
    assert (target / "tinywheel.py").exists()
    assert level_of(stored, "Processing ") == logging.INFO
    assert level_of(stored, "Successfully installed tinywheel-1.0") == logging.INFO
    assert not any("\x1b" in text or "\x08" in text for text in levels(stored))

    missing = run_wrapped(stored_instance, [*pip, "no-such-wheel"])
    assert not missing.success
    assert level_of(missing, "No matching distribution found") == logging.ERROR


BUILD_RS = """
fn main() {{
    for _ in 0..{patience} * 100 {{
        if std::path::Path::new({gate:?}).exists() {{
            return;
        }}
        std::thread::sleep(std::time::Duration::from_millis(10));
    }}
    panic!("nobody saw it");
}}
"""


def test_cargo_build(stored_instance: dg.DagsterInstance, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate", "Compiling tinycrate")
    crate = tmp_path / "tinycrate"
    (crate / "src").mkdir(parents=True)
    (crate / "Cargo.toml").write_text(
        '[package]\nname = "tinycrate"\nversion = "0.1.0"\nedition = "2021"\n[workspace]\n'
    )
    build = BUILD_RS.replace("{gate:?}", f'"{gate.path}"').format(patience=PATIENCE)
    (crate / "build.rs").write_text(build)
    main = crate / "src" / "main.rs"
    main.write_text("fn main() { let unused = 1; }\n")
    command = ["cargo", "build", "--offline"]
    env = {"CARGO_TARGET_DIR": str(tmp_path / "target")}
    stored = run_wrapped(stored_instance, command, seen=gate.seen, env=env, cwd=str(crate))
    assert stored.success, (stored.failure(), levels(stored))
    assert level_of(stored, "Compiling tinycrate") == logging.INFO
    (warning,) = (text for text in levels(stored) if "unused variable" in text)
    assert level_of(stored, "unused variable") == logging.WARNING
    assert "--> src/main.rs:1:17" in warning, "what belongs to it stands in one message"
    assert level_of(stored, "Finished") == logging.INFO

    main.write_text('fn main() { let text: u8 = "no"; }\n')
    broken = run_wrapped(stored_instance, command, env=env, cwd=str(crate))
    assert not broken.success
    assert level_of(broken, "error[E0308]: mismatched types") == logging.ERROR
    assert level_of(broken, "could not compile") == logging.ERROR
