from pathlib import Path

from ironpipe import open_dagster_pipes

with open_dagster_pipes() as pipes:
    words = Path(pipes.get_extra("path")).read_text().split()
    pipes.report_asset_check(
        asset_key="letter",
        check_name="letter_has_words",
        passed=len(words) > 0,
        metadata={"words": len(words)},
    )
