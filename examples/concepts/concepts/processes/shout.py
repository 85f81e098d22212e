from ironpipe import open_dagster_pipes

with open_dagster_pipes() as pipes:
    word = pipes.get_extra("word")
    pipes.log.info(f"got {word!r}")
    pipes.report_custom_message(word.upper())
