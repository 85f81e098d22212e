from ironpipe import open_dagster_pipes

with open_dagster_pipes() as pipes:
    lowest = min(pipes.get_extra("numbers"))
    pipes.report_asset_materialization(metadata={"lowest": lowest})
