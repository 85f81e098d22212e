"""An external process whose messages stand in its stdout or stderr, between what it prints."""

import os
import sys

from dagster_pipes import open_dagster_pipes

if __name__ == "__main__":
    mode = sys.argv[1]
    stream = sys.stderr if "stderr" in sys.argv else sys.stdout
    with open_dagster_pipes() as pipes:
        print("begins", file=stream, flush=True)
        pipes.log.info("one")
        print("half a line: ", end="", file=stream, flush=True)
        pipes.log.info("two")
        print('{"not": "a message"}', file=stream, flush=True)
        if mode == "cut":
            print('{"__dagster_pipes_version": "0.1", "method": "lo', file=stream, flush=True)
        if mode == "dies":
            os._exit(0)
        pipes.report_asset_materialization(metadata={"rows": 3})
        pipes.report_asset_check("c", passed=True)
    print("ends without a newline", end="", file=stream, flush=True)
