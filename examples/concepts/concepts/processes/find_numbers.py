from ironpipe import open_dagster_pipes

with open_dagster_pipes() as pipes:
    numbers = [3, 1, 2]
    pipes.report_custom_message(numbers)
    pipes.report_asset_materialization(metadata={"count": len(numbers)})
