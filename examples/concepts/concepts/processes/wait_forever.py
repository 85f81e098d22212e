import os
import threading

from ironpipe import open_dagster_pipes

with open_dagster_pipes() as pipes:
    pipes.log.info(f"process {os.getpid()} waits")
    threading.Event().wait()
