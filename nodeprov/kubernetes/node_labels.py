"""The labels that the cluster has for its nodes: read to choose nodes by them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import MALFORMED_JSON, not_understood, of_type
from nodeprov.hosts.base import Output, Reader
from nodeprov.inventory import ClusterSettings
from nodeprov.kubernetes.kubectl import Kubectl, kubectl

_COLUMNS = r'{range .items[*]}{.metadata.name}{" "}{.metadata.labels}{"\n"}{end}'
"""A line a node: all else of a Node would be a hundred times as much. kubectl writes a map as JSON."""


@dataclass(frozen=True, slots=True)
class LabelsQuery:
    """Ask for the labels of all nodes, in one call."""

    kubectl: Kubectl

    @property
    def script(self) -> str:
        """Print each node's name and labels on a line."""
        return self.kubectl.line("get", "nodes", "-o", f"jsonpath={_COLUMNS}")

    def parse(self, output: Output) -> Mapping[str, Mapping[str, str]]:
        """Understand what kubectl printed."""
        self.kubectl.insist(output, "the labels of the cluster's nodes cannot be read", where="")
        found: dict[str, Mapping[str, str]] = {}
        for line in output.text.splitlines():
            name, _, labels = line.partition(" ")
            found[name] = _labels(labels)
        return found


def _labels(text: str) -> Mapping[str, str]:
    try:
        value: dict[str, Any] = of_type(dict, json.loads(text or "{}"))
        return {key: of_type(str, each) for key, each in value.items()}
    except MALFORMED_JSON as error:
        raise not_understood(error) from None


def read_labels(reader: Reader, settings: ClusterSettings) -> Mapping[str, Mapping[str, str]]:
    """Read the labels of the cluster's nodes in one round trip; raise NodeprovError if that cannot be."""
    labels: Mapping[str, Mapping[str, str]] = reader.ask([LabelsQuery(kubectl(settings))])[0]
    return labels
