from ironpipe import open_dagster_pipes

with open_dagster_pipes() as pipes:
    a, b = pipes.get_extra("a"), pipes.get_extra("b")
    pipes.log.info(f"adding {a} and {b}")
    pipes.report_custom_message(a + b)
