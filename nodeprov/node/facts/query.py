"""What is true of a node, read in one command."""

from __future__ import annotations

from dataclasses import dataclass

from nodeprov.containerd.distributions.profiles import kubelet_configs, kubelets, origin_names
from nodeprov.hosts.base import Output, Reader
from nodeprov.inventory import Settings
from nodeprov.node.facts.answer import parse_facts
from nodeprov.node.facts.values import Facts
from nodeprov.node.layout import Layout
from nodeprov.templates import render


@dataclass(frozen=True, slots=True)
class FactsQuery:
    """The one question from which all facts come."""

    node: str
    settings: Settings
    layout: Layout

    @property
    def script(self) -> str:
        """The script that reads them."""
        s, prefixes = self.settings, self.layout.prefixes
        return render(
            "node/facts.sh.j2",
            unit=s.containerd.unit or "containerd.service",
            config=s.containerd.config or "",
            socket=s.containerd.socket or "",
            prefix=s.paths.prefix,
            prefixes=prefixes,
            state=s.paths.state,
            places=[each for each in (*prefixes, s.paths.state, s.paths.bin) if each],
            links=self.layout.links,
            origins=origin_names(s.runtime.handler),
            kubelets=kubelets(),
            kubelet_configs=kubelet_configs(),
        )

    def parse(self, output: Output) -> Facts:
        """Understand what the script printed."""
        return parse_facts(self.node, output.text, self.layout.prefixes, self.settings)


def gather(reader: Reader, settings: Settings, layout: Layout) -> Facts:
    """Read a node's facts in one round trip; what is ours is looked for where the layout says."""
    facts: Facts = reader.ask([FactsQuery(reader.name, settings, layout)])[0]
    return facts
