"""An external process that reports what it is told to: ``paced.py STEP…``.

A STEP is ``NAME``, an asset that is materialized with its name as metadata; ``check:ASSET:NAME``;
``custom:TEXT``; ``wait:FILE``, until there is such a file; or ``exit:CODE``.
"""

import os
import sys
import time
from pathlib import Path

from ironpipe import open_dagster_pipes


def main() -> None:
    code = 0
    with open_dagster_pipes() as pipes:
        for step in sys.argv[1:]:
            kind, _, rest = step.partition(":")
            if kind == "check":
                asset, name = rest.split(":")
                pipes.report_asset_check(asset_key=asset, check_name=name, passed=True)
            elif kind == "custom":
                pipes.report_custom_message(rest)
            elif kind == "wait":
                while not Path(rest).exists():
                    time.sleep(0.005)
            elif kind == "exit":
                code = int(rest)
            else:
                pipes.report_asset_materialization(asset_key=step, metadata={"name": step})
    # The session is closed in order, so that the code is all that is wrong.
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
