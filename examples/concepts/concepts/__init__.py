"""The concepts of Dagster, each in a few lines, with every step a process on ironpipe."""
