"""The numbers that a dispatcher tells to whoever watches it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from nodeprov.dispatch.dispatcher import Dispatcher
from nodeprov.dispatch.overview import overview
from nodeprov.dispatch.serving import Samples, metric

_PREFIX = "nodeprov"


def numbers(found: Dispatcher, *, leads: bool) -> str:
    """Write all metrics."""
    return "\n".join([*_lines(found, leads=leads), ""])


def _lines(found: Dispatcher, *, leads: bool) -> Iterator[str]:
    known, ends = found.known, list(found.ends)
    stand = overview(dict(known.nodes), known.wanted, known.members)
    results = Counter((each.ended.action, each.ended.result) for each in ends)
    seconds = sum(each.seconds for each in ends)
    left = [each.ended.found for each in ends if each.ended.found]
    faults = float(found.faults.count)
    calls: Samples = {
        (("verb", verb), ("status", str(status))): n for (verb, status), n in dict(found.api.calls).items()
    }
    yield from metric(f"{_PREFIX}_leads", "gauge", "Whether this dispatcher leads.", {(): float(leads)})
    by_state: Samples = {(("state", state),): float(count) for state, count in stand.counts.items()}
    yield from metric(f"{_PREFIX}_nodes", "gauge", "Nodes by state.", by_state)
    cordoned = float(sum(each.has_our_cordon for each in dict(known.nodes).values()))
    yield from metric(f"{_PREFIX}_nodes_cordoned", "gauge", "Nodes that nodeprov has cordoned.", {(): cordoned})
    about = "Installed nodes without the label, or on which kubelet does not report the handler."
    yield from metric(f"{_PREFIX}_nodes_drifted", "gauge", about, {(): float(len(stand.drifted))})
    by_result: Samples = {(("action", a), ("result", r)): float(count) for (a, r), count in results.items()}
    about = "Runs of nodes that have ended, by how."
    yield from metric(f"{_PREFIX}_node_runs_total", "counter", about, by_result)
    yield from metric(f"{_PREFIX}_node_run_seconds_sum", "counter", "Seconds that they took.", {(): seconds})
    about = "Exceptions that no one has foreseen; each has failed one node, and is in the log."
    yield from metric(f"{_PREFIX}_faults_total", "counter", about, {(): faults})
    restarts = float(sum(each.restarted for each in left))
    yield from metric(f"{_PREFIX}_restarts_total", "counter", "Restarts of containerd.", {(): restarts})
    hit = float(sum(len(each.hit) for each in left))
    about = "Containers of others that a restart has hit."
    yield from metric(f"{_PREFIX}_containers_hit_total", "counter", about, {(): hit})
    yield from metric(f"{_PREFIX}_api_calls_total", "counter", "Requests to the API server.", calls)
    lists: Samples = {(("kind", kind),): float(count) for kind, count in found.lists.items()}
    yield from metric(f"{_PREFIX}_lists_total", "counter", "How often all objects were listed.", lists)
