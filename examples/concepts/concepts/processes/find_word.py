from ironpipe import open_dagster_pipes

with open_dagster_pipes() as pipes:
    # Levels are Dagster's, and the message is there as soon as the call returns.
    pipes.log.info("found one")
    pipes.report_custom_message("ironpipe")
