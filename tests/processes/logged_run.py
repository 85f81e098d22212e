"""A run whose compute logs are kept: ``logged_run.py DIRECTORY``."""

import json
import sys
from pathlib import Path

NOISE = "import os; os.write(1, b'to stdout\\n'); os.write(2, b'to stderr\\n')"


def main(directory: Path) -> None:
    import dagster as dg

    from ironpipe.dagster import PipesSubprocessClient

    @dg.asset
    def a(context: dg.AssetExecutionContext) -> object:
        client = PipesSubprocessClient()
        return client.run(context=context, command=[sys.executable, "-c", NOISE]).get_results()

    with dg.DagsterInstance.local_temp(str(directory)) as instance:
        run_id = dg.materialize([a], instance=instance).run_id
        (entry,) = instance.all_logs(run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED)
        assert entry.dagster_event is not None
        manager = instance.compute_log_manager
        key = manager.build_log_key_for_run(run_id, entry.dagster_event.logs_captured_data.file_key)
        data = manager.get_log_data(key)
    texts = {"stdout": data.stdout or b"", "stderr": data.stderr or b""}
    captured = {name: text.decode() for name, text in texts.items()}
    (directory / "captured.json").write_text(json.dumps(captured))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
