"""What the commands of `nodeprov cluster` begin with: the inventory, the lock, the images, the way to the API."""

from __future__ import annotations

import os
import re
import secrets
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from nodeprov.cli.inventory import find, is_ansible, read
from nodeprov.cli.output import say
from nodeprov.errors import NodeprovError, UsageError, json_object, placed

if TYPE_CHECKING:
    from nodeprov.dispatch.api import Api
    from nodeprov.dispatch.login import Run
    from nodeprov.dispatch.wanted import Wanted
    from nodeprov.hosts.base import Host
    from nodeprov.inventory import Inventory, RolloutSettings

_DIGEST = re.compile(r"\S+@sha256:[0-9a-f]{64}")
_OVER_SSH = ("before", "after")
"""What of a rollout is done over SSH only: programs of the machine on which nodeprov runs."""

_MOST_BYTES = 1 << 20
"""Of all values of a ConfigMap (kubernetes: pkg/apis/core/types.go, MaxSecretSize)."""


@dataclass(frozen=True, slots=True)
class Site:
    """A cluster's inventory, as it was read here."""

    whole: Inventory
    text: str
    path: Path


def site(named: Path | None, sets: Sequence[str] = ()) -> Site:
    """Find and read the inventory; raise UsageError for one that a cluster cannot be given.

    What the environment and `sets` lay over it is written into its text: the cluster has neither.
    """
    from nodeprov.dispatch.wanted import whole_of
    from nodeprov.inventory.locked import with_trust_below
    from nodeprov.inventory.overlay import overlaid
    from nodeprov.releases.source import normal_base_url

    found = find(named, os.environ, Path.cwd())
    if found.by:
        say(f"inventory: {found.path} ({found.by})")
    if is_ansible(found.path):
        raise UsageError(
            f"{found.path} is an inventory of Ansible's, and the cluster is given nodeprov's own",
            "write one: nodeprov init --from-cluster",
        )
    text = read(found)
    whole = with_trust_below(whole_of(text, str(found.path), os.environ, sets), found.path.parent)
    _refuse(whole.nodes[0].settings.rollout, str(found.path))
    with placed(str(found.path)):
        for node in whole.nodes:  # more may read a ConfigMap than this file
            normal_base_url(node.settings.release.base_url)
    given = overlaid(text, str(found.path), os.environ, sets)
    if given.by:
        say(f"laid over the inventory that the cluster is given: {', '.join(given.by)}")
    return Site(whole, given.text, found.path)


def _refuse(rollout: RolloutSettings, path: str) -> None:
    if used := [name for name in _OVER_SSH if getattr(rollout, name)]:
        raise UsageError(
            f"{path}: [rollout] {' and '.join(used)} is for runs over SSH, not for the engine in the cluster",
            "leave it out, or install over SSH: nodeprov install",
        )


def wanted_of(
    found: Site, lock: Path | None, engine: str | None, release: str | None, now: Wanted | None
) -> Wanted:
    """Say what is wanted: by the inventory, its lock and the images, by default those that the cluster has now."""
    from nodeprov.cli.locking import insist_on_lock, lock_path, with_lock
    from nodeprov.dispatch.wanted import Images, Wanted

    _, held = with_lock(found.whole, lock)
    text = insist_on_lock(held, lock_path(found.whole, lock)[0]).text
    given = Images(
        _image("--engine-image", engine, now.images.engine if now else ""),
        _image("--release-image", release, now.images.release if now else ""),
        now.images.pull_secrets if now else (),
    )
    wanted = Wanted(new_run(), found.text, text, given)
    _insist_on_room(wanted, found.path)
    return wanted


def new_run(what: str = "") -> str:
    """Return the name of a run that is like no other one's."""
    return f"{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(3)}{what and f'-{what}'}"


def _insist_on_room(wanted: Wanted, path: Path) -> None:
    size = sum(len(each.encode()) for each in wanted.data().values())
    if size > _MOST_BYTES:
        raise UsageError(
            f"the inventory and its lock have {size} bytes, and a ConfigMap has room for {_MOST_BYTES}",
            "name no nodes that have nothing of their own: [cluster] select chooses them by their labels",
            where=str(path),
        )


def _image(option: str, given: str | None, known: str) -> str:
    """Insist on an image that is named by its digest."""
    name = given or known
    kind = option.removeprefix("--").removesuffix("-image")
    making = "nodeprov image --engine FILE" if kind == "engine" else "nodeprov image --release VERSION FILE"
    if not name:
        raise UsageError(
            f"which image of the {kind}? {option} names it",
            f"make it: {making}; push it to a registry; then {option} NAME@sha256:DIGEST",
        )
    if not _DIGEST.fullmatch(name):
        raise UsageError(
            f"{option} {name!r} has no digest: what a tag means may change", f"{option} NAME@sha256:DIGEST"
        )
    return name


def same_run(wanted: Wanted, now: Wanted | None) -> Wanted:
    """Keep the name of the run where nothing else is wanted."""
    return now if now is not None and replace(now, run=wanted.run) == wanted else wanted


@contextmanager
def reached(whole: Inventory, *, ask_sudo_password: bool = False) -> Iterator[Api]:
    """Speak to the API server that the inventory's kubectl speaks to."""
    from nodeprov.cli.output import passwords
    from nodeprov.dispatch.access import from_kubeconfig
    from nodeprov.dispatch.api import Api
    from nodeprov.hosts.base import Place
    from nodeprov.hosts.provider import SshHosts
    from nodeprov.kubernetes.kubectl import kubectl

    settings = whole.nodes[0].settings.cluster
    if not settings.enabled:
        raise UsageError("[cluster] enabled is false: there is no cluster", "set it to true")
    with SshHosts(whole, None, passwords(ask_sudo=ask_sudo_password)) as hosts:
        host = hosts.of(whole.nodes[0])[Place.CLUSTER]
        arguments = ("config", "view", "--raw", "--minify", "--flatten", "-o", "json")
        text = kubectl(settings).run(host, *arguments, doing="cannot read the kubeconfig")
        try:
            value = json_object(text)
        except ValueError as error:
            raise NodeprovError(f"the kubeconfig is not understood: {error}", "kubectl config view") from None
        api = Api(from_kubeconfig(value, "the kubeconfig", _login_on(host)), patience_seconds=10)
        try:
            yield api
        finally:
            api.close()


def _login_on(host: Host) -> Run:
    """Return what runs login programs where kubectl runs."""
    from nodeprov.hosts.base import plain

    def run(argv: Sequence[str], environment: Mapping[str, str]) -> str:
        given = [f"{name}={value}" for name, value in environment.items()]
        said = host.run(plain("log in", f"exec env {shlex.join([*given, *argv])}"))
        if said.returncode:
            raise NodeprovError(f"it ended with status {said.returncode}: {said.said}")
        return said.text

    return run
