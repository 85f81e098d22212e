from ironpipe import open_dagster_pipes

with open_dagster_pipes() as pipes:
    days = pipes.get_extra("days")
    for day in days:
        pipes.log.info(f"writing about {day}")
    pipes.report_asset_materialization(metadata={"days": len(days)})
