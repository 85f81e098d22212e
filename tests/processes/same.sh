#!/bin/sh
# Uses all there is, as same.py and the Rust example `everything` do.
set -eu

emit() { ironpipe emit "$@"; }

json() { # KEY…
    separator='{'
    for key in "$@"; do
        printf '%s"%s":%s' "$separator" "$key" "$(ironpipe context "$key" --json)"
        separator=','
    done
    printf ',"extra":%s,"extras":%s}' \
        "$(ironpipe context extras.limit --json)" "$(ironpipe context extras --json)"
}

emit open
for level in debug info WARNING error critical; do
    name=$(echo "$level" | tr '[:lower:]' '[:upper:]')
    emit log --level "$level" "at $name,
said \"é\" 😀"
done
json is_asset_step asset_key asset_keys code_version code_version_by_asset_key provenance \
    provenance_by_asset_key is_partition_step partition_key partition_key_range \
    partition_time_window job_name retry_number | emit custom -
emit custom '[1, 113427455640312821154458202477256070485, 1.5, Infinity, null, true, "é\n\"\\\u0001😀"]'
emit custom null
emit custom '{"k": {"1": [null, {}]}}'
emit check plain --passed

directory=$(mktemp -d)
trap 'rm -r "$directory"' EXIT
printf '%s' '{"columns": [{"name": "n", "type": "int", "description": "how many", "tags": {"k": "v"},
    "constraints": {"nullable": false, "unique": true, "other": ["> 0"]}}]}' >"$directory/schema"
cat >"$directory/metadata.json" <<'END'
{"table": {"type": "table", "raw_value": {"records": [{"n": 1}], "schema": [{"name": "n",
    "type": "int", "description": "how many", "tags": {"k": "v"},
    "constraints": {"nullable": false, "unique": true, "other": ["> 0"]}}]}}}
END
set -- --metadata 'infer=[1, 2]' --metadata "text:text=é$(printf '\001')\"" \
    --metadata url:url=https://example.org --metadata path:path=/p \
    --metadata notebook:notebook=/n.ipynb --metadata 'json:json={"x": 1}' --metadata 'md:md=# m' \
    --metadata float:float=1 --metadata int:int=340282366920938463463374607431768211455 \
    --metadata bool:bool=true --metadata dagster_run:dagster_run=r --metadata asset:asset=a/b \
    --metadata null:null= --metadata "@$directory/metadata.json" \
    --metadata "table_schema:table_schema@=$directory/schema" \
    --metadata 'table_column_lineage:table_column_lineage={"deps_by_column": {"c": [
        {"asset_key": ["a", "b/c"], "column_name": "x"}]}}' \
    --metadata timestamp:timestamp=1970-01-01T00:00:01.5Z
emit check full --failed --severity warn --asset-key "$(ironpipe context asset_key)" "$@"
emit materialize --data-version v1 "$@"
emit close
