"""An external process on the official library: ``official_big.py NUMBER SIZE`` custom messages."""

import sys

from dagster_pipes import open_dagster_pipes

if __name__ == "__main__":
    with open_dagster_pipes() as pipes:
        for _ in range(int(sys.argv[1])):
            pipes.report_custom_message("x" * int(sys.argv[2]))
