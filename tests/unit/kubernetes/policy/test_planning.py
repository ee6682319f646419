"""The changes that lead from what a cluster has to what is wanted; no cluster is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from nodeprov.errors import Problems
from nodeprov.kubernetes.kubectl import Kubectl
from nodeprov.kubernetes.policy.cluster import KINDS, Found
from nodeprov.kubernetes.policy.names import LABEL, POD_SECURITY
from nodeprov.kubernetes.policy.objects import Sandboxes
from nodeprov.kubernetes.policy.planning import Wanted, manifests, plan_apply, plan_remove
from nodeprov.states import ObjectState

GIVEN = Sandboxes("gvisor", "runsc")
KUBE = Kubectl()


def found(
    *,
    kinds: Sequence[str] = KINDS,
    handler: str | None = "runsc",
    objects: Sequence[Mapping[str, Any]] = (),
    labels: Mapping[str, str] | None = None,
    managed: Sequence[str] = (),
) -> Found:
    """What a cluster with the namespace `shop` has."""
    there = dict(labels or {})
    ours = {key: value for key, value in there.items() if key == LABEL or key in managed}
    state = ObjectState.of(ours) if ours else None
    names = frozenset(managed)
    return Found(
        frozenset(kinds), handler, tuple(objects), {"shop": there}, {"shop": names}, {"shop": state}, KUBE
    )


def keys(plan: Any) -> list[str]:
    return [each.resource.key for each in plan.changes]


def test_policies_come_before_their_bindings_and_namespaces_last_and_go_the_other_way() -> None:
    wanted = Wanted(GIVEN, ("required",), {"shop": "required"}, ("shop",))
    made = keys(plan_apply(KUBE, wanted, found()))
    assert made == [
        "validatingadmissionpolicy:nodeprov-sandbox-required",
        "validatingadmissionpolicy:nodeprov-sandbox-break-glass",
        "networkpolicy:shop/nodeprov-default-deny",
        "validatingadmissionpolicybinding:nodeprov-sandbox-required",
        "validatingadmissionpolicybinding:nodeprov-sandbox-audit",
        "validatingadmissionpolicybinding:nodeprov-sandbox-break-glass",
        "namespace:shop",
    ]
    there = found(objects=manifests(wanted), labels={LABEL: "required", **POD_SECURITY}, managed=(*POD_SECURITY,))
    assert not plan_apply(KUBE, wanted, there).pending
    gone = keys(plan_remove(KUBE, there))
    assert (gone[0], {*gone}) == ("namespace:shop", {*made})
    assert [each.split(":")[0].endswith("binding") for each in gone[1:]] == [True] * 3 + [False] * 3


def test_labels_that_others_have_set_as_we_want_them_stay_theirs() -> None:
    wanted = Wanted(GIVEN, (), {}, ("shop",))
    [_, change] = plan_apply(KUBE, wanted, found(labels={"pod-security.kubernetes.io/warn": "restricted"})).changes
    assert isinstance(change.after, ObjectState)
    assert sorted(change.after.value) == [f"pod-security.kubernetes.io/{each}" for each in ("audit", "enforce")]


@pytest.mark.parametrize(
    ("wanted", "there", "said"),
    [
        (
            Wanted(GIVEN, modes={"shoop": "audit"}),
            found(),
            "there is no namespace shoop\nhint: kubectl get namespaces",
        ),
        (
            Wanted(GIVEN, modes={"shop": "required"}),
            found(handler=None),
            "there is no RuntimeClass gvisor: every pod that must be sandboxed would be refused\nhint: nodeprov ",
        ),
        (
            Wanted(GIVEN, modes={"shop": "required"}),
            found(handler="runc"),
            "RuntimeClass gvisor leads to the handler runc, and not to runsc",
        ),
        (
            Wanted(GIVEN, ("guards",), {"shop": "audit"}),
            found(),
            "as the part required is not in this cluster\nhint: add --part required",
        ),
        (Wanted(GIVEN, modes={"shop": "default"}), found(kinds=KINDS[:2]), "hint: leave --default shop out"),
        (
            Wanted(GIVEN, profiles=("shop",)),
            found(labels={"pod-security.kubernetes.io/enforce": "baseline"}),
            "has pod-security.kubernetes.io/enforce=baseline, which somebody else has set\nhint: kubectl "
            "label namespace shop pod-security.kubernetes.io/enforce-, or leave --profile shop out",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_type(wanted: Wanted, there: Found, said: str) -> None:
    with pytest.raises(Problems) as refused:
        plan_apply(KUBE, wanted, there)
    assert said in str(refused.value)


def test_an_object_of_somebody_else_under_a_name_of_ours_is_neither_changed_nor_removed() -> None:
    [first, *_] = manifests(Wanted(GIVEN, ("guards",)))
    theirs = {**first, "metadata": {"name": first["metadata"]["name"]}}
    with pytest.raises(Problems, match="nodeprov-guard-namespaces is there, and it is not nodeprov's"):
        plan_apply(KUBE, Wanted(GIVEN, ("guards",)), found(objects=[theirs]))
    assert not plan_remove(KUBE, found(objects=[theirs])).pending


def test_a_cluster_without_a_kind_is_told_which_part_is_left_out() -> None:
    plan = plan_apply(KUBE, Wanted(GIVEN), found(kinds=KINDS[:2]))
    assert plan.notes == (
        "default is left out: this cluster has no MutatingAdmissionPolicy of admissionregistration.k8s.io/v1 "
        "(Kubernetes 1.36 has it)",
    )
    assert not any("mutating" in key for key in keys(plan))
    assert keys(plan_apply(KUBE, Wanted(GIVEN, profiles=("shop",)), found(kinds=()))) == [
        "networkpolicy:shop/nodeprov-default-deny",
        "namespace:shop",
    ]


def test_that_the_class_is_not_there_yet_is_said_where_nothing_is_required() -> None:
    plan = plan_apply(KUBE, Wanted(GIVEN, modes={"shop": "audit"}), found(handler=None))
    assert plan.notes[0].startswith("there is no RuntimeClass gvisor")
