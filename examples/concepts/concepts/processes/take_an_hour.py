import os
import time

from ironpipe import open_dagster_pipes

with open_dagster_pipes() as pipes:
    pipes.log.info(f"process {os.getpid()} takes its time")
    time.sleep(3600)
