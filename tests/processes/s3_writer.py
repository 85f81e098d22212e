"""An external process that sends its messages to S3 by the official writer: ``s3_writer.py N``."""

import sys

import boto3
from dagster_pipes import PipesS3MessageWriter, open_dagster_pipes

if __name__ == "__main__":
    writer = PipesS3MessageWriter(boto3.client("s3"), interval=0.1)
    with open_dagster_pipes(message_writer=writer) as pipes:
        for number in range(int(sys.argv[1])):
            pipes.log.info("log %s", number)
