"""Plans of each action, as a planner would make them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nodeprov.containerd import add_runtime
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import INSTALL as TO_INSTALL
from nodeprov.plan.plan import UNINSTALL as TO_UNINSTALL
from nodeprov.plan.plan import Plan
from nodeprov.plan.steps import Drain, Handler, Restart, Sandbox, Serving, Step, Swap
from nodeprov.states import (
    FileState,
    LabelState,
    LinkState,
    ObjectState,
    PresentState,
    State,
    TreeEntry,
    TreeState,
)
from tests.support.runtimes import runtime_of
from tests.support.samples import CONFIG, resource, settings

PREFIX = "/opt/nodeprov"
HANDLER = f"{PREFIX}/handlers/runsc"
RELEASE, OLD = f"{PREFIX}/releases/20260905.0-04991f972de3", f"{PREFIX}/releases/20260518.0-bf2b32777424"
NEW, BEFORE = f"{HANDLER}/a45af1f607aa", f"{HANDLER}/c265b933c057"
CONFIG_KEY = "file:/etc/containerd/config.toml"
LABEL = "label:worker1:nodeprov.node-restriction.kubernetes.io/gvisor"
WITHOUT = FileState(CONFIG.encode(), 0o644)
WITH = FileState(add_runtime(CONFIG, runtime_of(settings())).encode(), 0o644)
TREE = TreeState((TreeEntry("containerd-shim-runsc-v1", 0o755, "ab" * 32), TreeEntry("runsc", 0o755, "cd" * 32)))
TOML = FileState(f'binary_name = "{RELEASE}/runsc"\n\n[runsc_config]\nplatform = "systrap"\n'.encode(), 0o644)
RUNTIME_CLASS = ObjectState.of(
    {
        "handler": "runsc",
        "labels": {"app.kubernetes.io/managed-by": "nodeprov"},
        "overhead": {"podFixed": {"cpu": "50m", "memory": "64Mi"}},
        "scheduling": {"nodeSelector": {"nodeprov.node-restriction.kubernetes.io/gvisor": "true"}},
    }
)
SANDBOX = Sandbox("a sandbox runs through `current`", f"{HANDLER}/current")
SERVING = Serving()
CLUSTER_NOTE = "cluster: https://10.0.0.10:6443 (context production)"


def change(key: str, before: State | None, after: State | None, why: str = "") -> Change:
    return Change(resource(key), before, after, why)


LABELLED = change(LABEL, None, LabelState("true"))
CLASSED = change("runtimeclass:gvisor", None, RUNTIME_CLASS)
GENERATION: tuple[Step, ...] = (
    change(f"file:{NEW}/runsc.toml", None, TOML),
    change(f"link:{NEW}/containerd-shim-runsc-v1", None, LinkState(f"{RELEASE}/containerd-shim-runsc-v1")),
    change(f"link:{NEW}/runsc", None, LinkState(f"{RELEASE}/runsc")),
    Sandbox("a sandbox runs through the new generation", NEW),
)
INSTALL = Plan(
    "worker1",
    TO_INSTALL,
    (
        change(f"tree:{RELEASE}", None, TREE),
        *GENERATION,
        change(f"link:{HANDLER}/current", None, LinkState("a45af1f607aa"), "the commit: one rename"),
        change("link:/usr/local/bin/runsc", None, LinkState(f"{HANDLER}/current/runsc"), "for people"),
        Swap(
            (change(CONFIG_KEY, WITHOUT, WITH),),
            Restart(
                "containerd.service",
                ("to serve the runtime handler runsc; containerd cannot reload its configuration",),
                ("containerd 2.4.3 on disk, 2.4.2 is running", "debug.level"),
            ),
            SANDBOX,
        ),
        SERVING,
        LABELLED,
        CLASSED,
        Handler(),
    ),
    notes=(CLUSTER_NOTE, "no pod is run as a proof: [proof] image is not set"),
    upload_bytes=331_000_000,
)
UPGRADE = Plan(
    "worker1",
    TO_INSTALL,
    (
        change(f"tree:{RELEASE}", TreeState((TREE.entries[0],), ("dev/null",)), TREE),
        *GENERATION,
        change(
            f"link:{HANDLER}/current",
            LinkState("c265b933c057"),
            LinkState("a45af1f607aa"),
            "the commit: one rename",
        ),
        SANDBOX,
        change(
            "runtimeclass:gvisor",
            RUNTIME_CLASS,
            ObjectState.of({**RUNTIME_CLASS.value, "overhead": {"podFixed": {"cpu": "50m", "memory": "128Mi"}}}),
        ),
        change(f"folder:{HANDLER}/000000000000", PresentState(), None, "nothing needs it"),
    ),
    notes=(CLUSTER_NOTE,),
    upload_bytes=480_500,
)
UNINSTALL = Plan(
    "worker1",
    TO_UNINSTALL,
    (
        Drain(("default/web-1", "shop/cart-2")),
        change(LABEL, LabelState("true"), None),
        change("runtimeclass:gvisor", RUNTIME_CLASS, None, "no other node has the label"),
        Swap(
            (change(CONFIG_KEY, WITH, WITHOUT),),
            Restart("containerd.service", ("to forget the runtime handler runsc",)),
            SERVING,
        ),
        change("link:/usr/local/bin/runsc", LinkState(f"{HANDLER}/current/runsc"), LinkState("/usr/bin/runsc")),
        change(f"link:{HANDLER}/current", LinkState("a45af1f607aa"), None),
        change(f"folder:{NEW}", PresentState(), None, "nothing needs it"),
        change(f"folder:{RELEASE}", PresentState(), None, "nothing needs it"),
    ),
    notes=(CLUSTER_NOTE,),
)
NOTHING = Plan("worker1", TO_INSTALL, (), notes=(CLUSTER_NOTE,))
PLANS = {"install": INSTALL, "upgrade": UPGRADE, "uninstall": UNINSTALL, "nothing": NOTHING}
SECRET = "hunter2"

# What docs/json.md promises; a field may come, none may go.
PLAN_FIELDS = {"schema", "node", "action", "pending", "releases", "upload_bytes", "steps", "restart", "notes"}


def through_json(value: Mapping[str, Any]) -> dict[str, Any]:
    back: dict[str, Any] = json.loads(json.dumps(value))
    return back
