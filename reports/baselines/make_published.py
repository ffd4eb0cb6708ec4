"""Published scores -> reports/baselines/published.json, the facts that are compiled into the program.

    python make_published.py ../../../shared/baselines/published.json > published.json

In: {"sources": {key: citation}, "records": [{model, benchmark, metric, shots, score, source, method, setting, ...}]}.
Out: {"sources", "fields", "rows"}, one row a line; notes and whatever does not tell two numbers apart are left out.
Scores stay in the unit of their source: percent for rates.
"""

import json
import sys

FIELDS = ["model", "benchmark", "metric", "shots", "score", "method", "source", "setting"]


def setting(record):
    parts = [record.get("setting"), record.get("variant"), record.get("judge") and "judge " + record["judge"]]
    return "; ".join(part for part in parts if part)


def row(record):
    return [
        record["model"],
        record["benchmark"],
        record["metric"],
        record["shots"],
        record["score"],
        record.get("method") or "",
        record["source"],
        setting(record),
    ]


published = json.load(open(sys.argv[1], encoding="utf-8"))


def text(value):
    return json.dumps(value, ensure_ascii=False)


print('{"sources": {')
print(",\n".join(f"{text(key)}: {text(citation)}" for key, citation in published["sources"].items()))
print(f'}},\n"fields": {text(FIELDS)},\n"rows": [')
print(",\n".join(text(row(record)) for record in published["records"]))
print("]}")
