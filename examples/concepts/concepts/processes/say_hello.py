from ironpipe import open_dagster_pipes

with open_dagster_pipes() as pipes:
    pipes.log.info(pipes.get_extra("greeting"))
