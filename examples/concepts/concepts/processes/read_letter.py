import hashlib
from pathlib import Path

from ironpipe import open_dagster_pipes

with open_dagster_pipes() as pipes:
    text = Path(pipes.get_extra("path")).read_bytes()
    # Made from the content: the same text has the same version, whenever it is read.
    version = hashlib.sha256(text).hexdigest()[:12]
    pipes.report_asset_materialization(data_version=version, metadata={"bytes": len(text)})
