"""The rules for Prometheus: what they are made of, and that docs/monitoring.md tells of each."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_program
from tests.support.metrics import RULES, Series, chosen, rules, selectors, series

PAGE = RULES.parents[1] / "monitoring.md"
OF_KUBELET = re.compile("container_|pod_|kubelet_")
OF_THE_STATE = re.compile("kube_pod_")


@pytest.mark.parametrize("name", rules())
def test_a_rule_reads_only_what_somebody_gives(name: str) -> None:
    records = {each for each, rule in rules().items() if "record" in rule}
    for each in selectors(rules()[name]["expr"]):
        assert each.name in records or OF_KUBELET.match(each.name) or OF_THE_STATE.match(each.name)


@pytest.mark.parametrize("name", rules())
def test_the_page_tells_of_each_rule(name: str) -> None:
    assert f"| `{name}` |" in PAGE.read_text()


def test_no_rule_takes_the_series_of_containers_which_are_empty() -> None:
    for rule in rules().values():
        for each in selectors(rule["expr"]):
            if each.name.startswith("container_"):
                assert {(one.name, one.value) for one in each.matchers.matchers} >= {
                    ("container", ""),
                    ("name", ""),
                }


def test_an_expression_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="parenthesis"):
        selectors("sum by (")


def said_by_promtool(folder: Path, text: str) -> str:
    """Return what it complains of when rules are tested; "" if they are right."""
    (folder / RULES.name).write_text(text)
    tests = folder / "rules-test.yaml"
    tests.write_bytes(RULES.with_name(tests.name).read_bytes())
    output = run_program(["promtool", "test", "rules", str(tests)])
    return "" if output.returncode == 0 else output.text + output.stderr.decode()


needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="apt-get install prometheus")


@needs_promtool
def test_prometheus_own_program_finds_the_rules_right(tmp_path: Path) -> None:
    assert run_program(["promtool", "check", "rules", str(RULES)]).returncode == 0
    assert said_by_promtool(tmp_path, RULES.read_text()) == ""


@needs_promtool
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('runtimeclass_name=~"gvisor.*"', 'runtimeclass_name=~".*"'),
        ('working_set_bytes{container="", name="", ', 'working_set_bytes{container!="", '),
        ("max by (namespace, pod) (container_memory", "sum by (namespace, pod) (container_memory"),
        ("> 0)", ")"),
        ("== 128", "== 137"),
        ("> 0.9", "> 0.99"),
        ("for: 10m", "for: 30m"),
        ('runtime_handler=~"runsc.*"', 'runtime_handler=~".*"'),
        ("quantile(0.9,", "quantile(0.1,"),
    ],
)
def test_a_rule_that_is_wrong_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    assert RULES.read_text().count(right) == 1
    assert "FAILED" in said_by_promtool(tmp_path, RULES.read_text().replace(right, wrong))


def test_series_are_chosen_as_prometheus_does() -> None:
    given = series('# HELP a b\na{x="1",pod="p\\"q"} 2.5 17\na 3\na{x="12"} 4e+02\nb{x="1"} 5\n')
    assert given[0] == Series("a", {"x": "1", "pod": 'p\\"q'}, 2.5)

    def values(expression: str) -> list[float]:
        return [each.value for each in chosen(selectors(expression)[0], given)]

    assert values('a{x="1"}') == [2.5]
    assert values('a{x=""}') == [3.0]
    assert values('a{x!=""}') == [2.5, 400.0]
    assert values('a{x=~"1.*"}') == [2.5, 400.0]
    assert values('a{x!~"1.*"}') == [3.0]
    assert values('rate(a{x="1"}[5m])') == [2.5]
