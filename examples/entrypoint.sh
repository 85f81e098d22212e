#!/bin/sh
# An external process in shell: the entry point of a container, or anything a Pipes client launches.
# It needs nothing but the `ironpipe` command, and runs by hand as well: then nothing is reported.
set -eu

# Where the session begins and ends. If the script fails, Dagster is told its exit code.
ironpipe emit open --extra "host=\"$(hostname)\""
trap 'ironpipe emit close --status $?' EXIT

day=$(ironpipe context partition_key 2>/dev/null || date +%F)
source=$(ironpipe context extras.source 2>/dev/null || echo /etc/passwd)
ironpipe emit log "counting the lines of $source for $day"

lines=$(wc -l <"$source")

[ "$lines" -gt 0 ] && outcome=--passed || outcome=--failed
ironpipe emit check has_lines "$outcome" --severity warn --metadata "lines=$lines"

ironpipe emit materialize --data-version "$day" \
    --metadata "lines=$lines" \
    --metadata "source:path=$source" \
    --metadata "counted_at:timestamp=$(date +%s)"
