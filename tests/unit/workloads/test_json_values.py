"""What a cluster's API gives is understood as the same in a file is, without YAML on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from nodeprov.workloads.documents import Value, documents
from nodeprov.workloads.json_values import json_value
from nodeprov.workloads.meets import met
from nodeprov.workloads.pods import Workload, workloads, workloads_of

MANIFESTS = sorted((Path(__file__).parents[2] / "support" / "manifests").glob("*.yaml"))


def said(value: Value) -> Any:
    """Take a value apart by all that is asked of one."""
    if value.node.tag.endswith(":map"):
        return {name: said(each) for name, each in value.items()}
    if value.node.tag.endswith(":seq"):
        return [said(Value("", each)) for each in value.node.value]
    return value.node.tag, value.text, value.is_there, value.is_true, value.is_false


@pytest.mark.parametrize(
    "found", [None, True, False, 0, 420, -1.5, "", "true", "null", [], {}, [None, {"a": [1, "b"]}], {"a": {}}]
)
def test_each_value_is_as_libyaml_reads_it(found: Any) -> None:
    (read,) = documents(json.dumps({"x": found}), "x.json")
    assert said(json_value({"x": found})) == said(read)


def test_objects_of_a_cluster_meet_what_the_same_in_a_file_meet() -> None:
    objects = [each for path in MANIFESTS for each in yaml.safe_load_all(path.read_text())]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, default=str)
    read = [each for each in workloads(text, "") if isinstance(each, Workload)]
    taken = [*workloads_of(json.loads(text)["items"])]
    assert len(read) == len(taken) >= 40
    for one, other in zip(read, taken, strict=True):
        assert (one.kind, one.name, one.namespace) == (other.kind, other.name, other.namespace)
        found = [(each.behaviour.id, each.path.partition("].")[2]) for each in met(one)]
        assert found == [(each.behaviour.id, each.path) for each in met(other)]
