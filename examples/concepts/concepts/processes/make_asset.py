from ironpipe import open_dagster_pipes

with open_dagster_pipes() as pipes:
    pipes.log.info(f"{pipes.asset_key} is being made")
    # A process for one asset need not name it. A value says its type, or Dagster finds it.
    pipes.report_asset_materialization(
        metadata={"made_by": {"type": "path", "raw_value": __file__}, "rows": 3}
    )
