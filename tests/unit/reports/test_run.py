"""A run of several nodes, as a table and as JSON."""

from __future__ import annotations

import io
import json

from rich.console import Console

from nodeprov.reports.run import WORDS, record_json, result_of, run_table
from tests.support.runs import BETWEEN, DONE, FAILED, NOTHING_TO_DO, RECORD
from tests.support.samples import golden


def test_the_table_has_a_row_for_each_node() -> None:
    written = io.StringIO()
    Console(file=written, width=100).print(run_table(RECORD.nodes))
    golden("report/run-table.txt", "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n")


def test_a_result_is_one_word() -> None:
    assert [result_of(each) for each in (DONE, FAILED, BETWEEN, NOTHING_TO_DO)] == [
        "done",
        "failed",
        "between",
        "nothing",
    ]
    assert {each.result for each in RECORD.nodes} == set(WORDS)


def test_the_json_of_a_run_has_what_history_shows_and_no_secret() -> None:
    value = json.loads(json.dumps(record_json(RECORD)))
    assert "hunter2" not in json.dumps(value)
    assert (value["state"], value["run"], value["releases"]) == (
        "ended",
        "0123456789ab",
        ["20260905.0-04991f972de3"],
    )
    assert value["nodes"][1] == {
        "node": "worker2",
        "result": "failed",
        "changed": 0,
        "restarted": True,
        "seconds": 60.0,
        "said": "containerd does not serve: it does not answer on its socket",
    }
    assert value["nodes"][3]["said"] == "another node has failed"
    assert value["errors"][0]["where"] == "worker7 (10.0.0.17)"
