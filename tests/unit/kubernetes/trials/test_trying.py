"""Which workload is meant."""

from __future__ import annotations

import pytest

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.kubernetes.trials.trying import Subject, by_sides


@pytest.mark.parametrize(
    ("text", "namespace", "title"),
    [
        ("deployment/web", None, "Deployment default/web"),
        ("deploy/web", "shop", "Deployment shop/web"),
        ("shop/sts/db", None, "StatefulSet shop/db"),
        ("shop/statefulsets.apps/db", "shop", "StatefulSet shop/db"),
        ("Pod/web.1", None, "Pod default/web.1"),
        ("cronjobs/nightly", None, "CronJob default/nightly"),
    ],
)
def test_a_workload_is_named_as_kubectl_has_it(text: str, namespace: str | None, title: str) -> None:
    assert Subject.of(text, namespace).title == title


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("web", "names no workload"),
        ("a/b/c/d", "names no workload"),
        ("deployment/", "names no workload"),
        ("deployment/-x", "names no workload"),
        ("service/web", "not a kind that makes pods"),
    ],
)
def test_what_names_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Subject.of(text, None)


def test_the_pods_of_a_trial_may_be_gone() -> None:
    pods = [{"metadata": {"name": f"nodeprov-try-1a2b-{side}"}} for side in ("sandbox", "runc")]
    assert by_sides(pods, "shop") == {"sandbox": pods[0], "runc": pods[1]}
    assert by_sides(pods[:1], "shop") == {"sandbox": pods[0]}
    for left in ([], pods[1:]):
        with pytest.raises(NodeprovError, match="somebody else has deleted"):
            by_sides(left, "shop")


def test_two_namespaces_are_one_too_many() -> None:
    with pytest.raises(UsageError, match="--namespace is other"):
        Subject.of("shop/deployment/web", "other")
