from ironpipe import open_dagster_pipes

with open_dagster_pipes() as pipes:
    # A day has a time window too: pipes.partition_time_window.
    pipes.log.info(f"making {pipes.asset_key} of {pipes.partition_key}")
    pipes.report_asset_materialization(metadata={"partition": pipes.partition_key})
