"""The init containers of a node's pods: containerd does not tell them from others, and with one its pod fails."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from nodeprov.errors import NodeprovError, of_type, taking_json_apart
from nodeprov.hosts.base import Output, Reader
from nodeprov.inventory import Settings, syntax
from nodeprov.kubernetes.kubectl import kubectl
from nodeprov.plan.steps import Names

FIELDS = ("{.metadata.namespace}", "{.spec.containers[*].name}", "{.spec.initContainers}")
_ITEM = '{"\\t"}'.join(FIELDS) + '{"\\n"}'


@dataclass(frozen=True, slots=True)
class InitContainersQuery:
    """Which containers of a node's pods are init containers, by their namespaces and names?

    A name that is also one of another container of the namespace is left out, and so are sidecars, which stay.
    """

    settings: Settings
    node: str

    @property
    def script(self) -> str:
        """Print the containers of each pod on a line."""
        items = f"jsonpath={{range .items[*]}}{_ITEM}{{end}}"
        on_node = f"spec.nodeName={self.node}"
        kube = kubectl(self.settings.cluster)
        return kube.line("get", "pods", "-A", "--field-selector", on_node, "-o", items)

    def parse(self, output: Output) -> Names:
        """Understand what kubectl printed."""
        kubectl(self.settings.cluster).insist(output, "the pods cannot be read", where=self.node)
        pods = [line.split("\t") for line in output.text.split("\n") if line]
        with taking_json_apart():
            others = {(space, name) for space, names, _ in pods for name in names.split()}
            found = {(space, name) for space, _, text in pods for name in _short_lived(text)}
        return frozenset(each for each in found - others if all(map(syntax.DNS_LABEL.accepts, each)))


def _short_lived(text: str) -> Iterator[str]:
    for each in of_type(list, json.loads(text or "[]")):
        if each.get("restartPolicy") != "Always":
            yield of_type(str, each["name"])


def read_init_containers(reader: Reader, settings: Settings, node: str) -> Names:
    """Read them in one round trip; none where this cannot be, such as for want of a right."""
    try:
        names: Names = reader.ask([InitContainersQuery(settings, node)])[0]
    except NodeprovError:
        return frozenset()
    return names
