from pathlib import Path

from ironpipe import open_dagster_pipes

with open_dagster_pipes() as pipes:
    words = Path(pipes.get_extra("path")).read_text().split()
    pipes.log.info(f"{len(words)} words")
    pipes.report_asset_materialization(metadata={"words": len(words)})
