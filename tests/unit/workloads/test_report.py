"""What CI systems read of a cluster's workloads, which have no file."""

from __future__ import annotations

import json

from nodeprov.workloads import report
from nodeprov.workloads.meets import met
from nodeprov.workloads.pods import Workload, workloads


def test_a_finding_in_a_cluster_is_placed_by_its_object() -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\n"
    (found,) = workloads(f"{pod}spec: {{containers: [{{name: a}}], hostPID: true}}\n", "")
    assert isinstance(found, Workload)
    (run,) = json.loads(report.as_sarif([report.Checked.of(found, met(found))], "1"))["runs"]
    (result,) = run["results"]
    assert result["locations"] == [{"logicalLocations": [{"fullyQualifiedName": "Pod shop/web: spec.hostPID"}]}]
