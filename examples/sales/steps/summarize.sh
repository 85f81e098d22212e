#!/bin/sh
# Sums up by product, the largest amount first. `ironpipe wrap --share` runs it: what it prints is
# logged, its exit code is the step's, and `ironpipe emit` reports what it found. By hand:
# sh summarize.sh SOURCE TARGET
set -eu
source=$1 target=$2
tab=$(printf '\t')
LC_ALL=C
export LC_ALL

if [ ! -f "$source" ]; then
    echo "error: $source is not there: materialize cleaned_sales_data first" >&2
    exit 1
fi

# Beside the target, so that the result takes its place in one step.
mkdir -p "$(dirname "$target")"
work=$(mktemp -d "$(dirname "$target")/.unfinished-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

awk -F'\t' -v OFS='\t' '
    NR > 1 { rows[$2] += 1; quantity[$2] += $3; amount[$2] += $5 }
    END { for (p in rows) printf "%s\t%d\t%.0f\t%.0f\n", p, rows[p], quantity[p], amount[p] }
' "$source" | sort -t "$tab" -k4,4nr -k1,1 >"$work/rows"

{
    printf 'product\trows\tquantity\tamount\n'
    cat "$work/rows"
} >"$work/summary"

awk -F'\t' '
    BEGIN { print "| product | rows | quantity | amount |\n| --- | ---: | ---: | ---: |" }
    { gsub(/\|/, "\\|"); printf "| %s | %s | %s | %s |\n", $1, $2, $3, $4 }
' "$work/rows" >"$work/table.md"

# `"` and `\` are all that JSON minds: the step before has left no control characters.
awk -F'\t' '
    BEGIN { printf "{\"records\": [" }
    {
        gsub(/["\\]/, "\\\\&", $1)
        printf "%s{\"product\": \"%s\", \"rows\": %s, \"quantity\": %s, \"amount\": %s}",
            (NR > 1 ? ", " : ""), $1, $2, $3, $4
    }
    END {
        printf "], \"schema\": [{\"name\": \"product\", \"type\": \"string\"}, "
        printf "{\"name\": \"rows\", \"type\": \"int\"}, {\"name\": \"quantity\", \"type\": \"int\"}, "
        print "{\"name\": \"amount\", \"type\": \"int\"}]}"
    }
' "$work/rows" >"$work/table.json"

products=$(wc -l <"$work/rows")
IFS=$tab read -r top _ _ amount <"$work/rows"
echo "$((products)) products, $top before all others with $amount"

counted=$(awk -F'\t' '{ n += $2 } END { printf "%d", n }' "$work/rows")
there=$(($(wc -l <"$source") - 1))
[ "$counted" -eq "$there" ] && outcome=--passed || outcome=--failed
ironpipe emit check every_row_counted "$outcome" \
    --metadata "rows=$there" --metadata "rows_in_summary=$counted"

mv -f "$work/summary" "$target"
ironpipe emit materialize \
    --metadata "product_count:int=$((products))" \
    --metadata "top_product:text=$top" \
    --metadata "top_product_amount:int=$amount" \
    --metadata "output_path:path=$target" \
    --metadata "summary_table:md@=$work/table.md" \
    --metadata "summary:table@=$work/table.json"
