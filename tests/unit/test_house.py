"""The house stays as it was meant: few rooms, arrows that point down, values that go straight through."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[2]
ROOMS, LEVELS, ARROWS = 22, 10, 116
ENTRIES = 2
"""How often the walk of a node may enter one room."""
ENTRIES_WITH_PARTS = 18
"""The same where parts of the node count too: its settings are asked for everywhere. This number only may fall."""


def _script() -> ModuleType:
    """Import script/house, whose name is no module's."""
    loader = importlib.machinery.SourceFileLoader("script_house", str(CHECKOUT / "script" / "house"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = sys.modules[loader.name] = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


script = _script()


@pytest.fixture(scope="module")
def house() -> Any:
    return script.House(CHECKOUT)


@pytest.fixture
def small(tmp_path: Path) -> Any:
    """A house of three rooms."""
    files = {
        "nodeprov/__init__.py": "",
        "nodeprov/__main__.py": "from nodeprov.cli import main\n",
        "nodeprov/cli/__init__.py": "",
        "nodeprov/cli/main.py": "from nodeprov.engine import plan\ndef main(node):\n    it = node\n    plan(it)\n",
        "nodeprov/engine/__init__.py": "from nodeprov.engine.planner import Planner, plan\n",
        "nodeprov/engine/planner.py": """\
from nodeprov import errors
class Planner:
    def __init__(self, node, number):
        self.check(1, of=node.settings)
    def check(self, number, of):
        errors.refuse(of)
def plan(node):
    Planner(node, 1)
    errors.refuse(1, node)
    errors.refuse(node)
""",
        "nodeprov/errors.py": "def refuse(what, where=''):\n    return what\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return script.House(tmp_path)


def test_there_are_few_rooms_on_few_levels(house: Any) -> None:
    assert len(house.rooms()) <= ROOMS
    assert len(house.levels()) <= LEVELS
    assert len(house.arrows()) <= ARROWS


def test_no_arrow_points_up(house: Any) -> None:
    assert house.homeless() == []


def test_the_contract_of_imports_has_as_few_levels_and_no_exception() -> None:
    contracts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    assert len(layers) <= LEVELS
    assert not any("ignore_imports" in contract for contract in contracts)


def test_a_node_goes_through_the_rooms_and_does_not_come_back(house: Any) -> None:
    assert max(script.longest(house).times().values()) <= ENTRIES
    assert max(script.longest(house, with_parts=True).times().values()) <= ENTRIES_WITH_PARTS


def test_a_room_is_a_package_or_a_module_at_the_top(small: Any) -> None:
    assert small.rooms() == {"cli": 4, "engine": 11, "errors": 2}
    assert [*small.arrows()] == [("cli", "engine"), ("engine", "errors")]
    assert small.arrows()["engine", "errors"] == ["nodeprov.engine.planner:1 imports nodeprov.errors"]
    assert small.levels() == [["errors"], ["engine"], ["cli"]]


def test_rooms_on_a_circle_and_above_it_are_on_no_level(small: Any, tmp_path: Path) -> None:
    (tmp_path / "nodeprov" / "errors.py").write_text("def late():\n    import nodeprov.engine.planner\n")
    house = script.House(tmp_path)
    assert house.levels() == []
    assert house.homeless() == ["cli", "engine", "errors"]


def test_a_walk_follows_the_value_under_each_of_its_names(small: Any) -> None:
    walk = script.Walk(small, small.find("nodeprov.cli.main.main"), "node")
    assert [(depth, each.name.removeprefix("nodeprov.")) for depth, each in walk.entered] == [
        (0, "cli.main.main"),
        (1, "engine.planner.plan"),
        (2, "engine.planner.Planner.__init__"),
        (2, "errors.refuse"),
        (2, "errors.refuse"),
    ]
    assert walk.times() == {"cli": 1, "engine": 1, "errors": 2}


def test_a_walk_follows_parts_of_the_value_where_that_is_asked(small: Any) -> None:
    walk = script.longest(small, with_parts=True)
    assert walk.rooms() == [(0, "cli"), (1, "engine"), (4, "errors"), (2, "errors"), (2, "errors")]


DOCUMENTS = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *(CHECKOUT / "docs").glob("*.md")]
PATH = re.compile(r"(?<![\w/.-])(?:nodeprov|nodeprov_lab|tests|templates|script)/[\w./-]*\w")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_names_of_the_project_is_there(document: Path) -> None:
    assert [path for path in PATH.findall(document.read_text()) if not (CHECKOUT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_test_that_a_document_names_is_in_its_file(document: Path) -> None:
    named = re.findall(rf"({PATH.pattern})((?:::\w+)+)", document.read_text())
    for path, names in named:
        defined = {
            each.name for each in ast.walk(ast.parse((CHECKOUT / path).read_text())) if hasattr(each, "name")
        }
        assert set(names.split("::")) - {""} <= defined, f"{path}{names}"


def _imported(path: Path) -> Iterator[str]:
    """Every name of a module, and of what is taken out of one."""
    for each in ast.walk(ast.parse(path.read_text())):
        if isinstance(each, ast.ImportFrom):
            yield from (each.module or "").split(".")
        if isinstance(each, ast.Import | ast.ImportFrom):
            yield from (part for alias in each.names for part in alias.name.split("."))


def test_no_module_of_tests_imports_another_one() -> None:
    """What two of them need stands in tests/support, or beside the tests of the lab."""
    modules = [*(CHECKOUT / "tests").rglob("test_*.py")]
    importing = [path for path in modules if {each.stem for each in modules}.intersection(_imported(path))]
    assert [str(path.relative_to(CHECKOUT)) for path in importing] == []


def test_only_one_file_of_tests_makes_what_needs_the_network() -> None:
    """Processes of tests have none: what `python -m tests.support.parts` does not make before them fails there."""
    apart = "tests/support/parts.py", "tests/support/fresh_machine.py"  # the other one has a stage of its own
    texts = {str(each.relative_to(CHECKOUT)): each.read_text() for each in (CHECKOUT / "tests").rglob("*.py")}
    of_lab = {path: text for path, text in texts.items() if not path.startswith("tests/unit/")}
    makers = re.compile(r"\b(GoBuilder|debian_tree|debian_root|make_parts|packages\.fetched)\(")
    assert [path for path, text in of_lab.items() if makers.search(text) and path not in apart] == []


def test_only_five_files_outside_of_its_folder_name_the_family() -> None:
    product = CHECKOUT / "nodeprov"
    outside = [path for path in product.rglob("*.py") if "runtimes/gvisor" not in path.as_posix()]
    naming = [str(path) for path in outside if re.search("runsc|gvisor", path.read_text(), re.IGNORECASE)]
    assert len(naming) <= 5, naming


ELSEWHERE = {
    # What a manifest meets is what its values and the catalogue make of it together.
    "tests/unit/workloads/test_meets.py": ("workloads/catalogue",),
    "tests/unit/workloads/test_documents.py": ("workloads/json_streams",),
    "tests/unit/workloads/test_pods.py": ("workloads/shape",),
    # What is probed is a node.
    "tests/unit/workloads/test_judgement.py": ("workloads/probes",),
    # What a command does is seen on real nodes; what it says of its options, in tests/unit/cli/test_main.py.
    "tests/lab/test_verify.py": ("cli/diagnosis",),
    "tests/lab/test_words_and_deeds.py": ("cli/status",),
    # Each kind of difference is seen by what status says of it.
    "tests/unit/diagnosis/test_damage.py": ("diagnosis/difference", "diagnosis/serving"),
    "tests/unit/diagnosis/test_status.py": ("diagnosis/status_text",),
    "tests/lab/test_commands.py": ("cli/plan_commands",),
    "tests/lab/test_rollback.py": ("cli/gc", "cli/rollback"),
    # Each check passes on a good node, and each of its breaks makes it fail.
    "tests/lab/breaks.py": (
        "diagnosis/verify/checks/check_cluster",
        "diagnosis/verify/checks/check_node",
        "diagnosis/verify/checks/check_pod",
    ),
    # The laws take them as a whole: what is edited comes back to the byte, what is applied is undone.
    "tests/laws/test_containerd_laws.py": ("containerd/tables",),
    "tests/laws/test_laws.py": ("engine/apply", "engine/undo"),
    # A pod's engine is acted out as a whole, on a node that is played.
    "tests/unit/on_node/test___main__.py": ("on_node/incoming",),
    # Only an API server tells what they do.
    "tests/cluster/test_dispatcher.py": (
        "dispatch/actor",
        "dispatch/dispatcher",
        "dispatch/doing",
        "dispatch/surroundings",
    ),
    "tests/cluster/test_drain.py": ("dispatch/evictions",),
    "tests/cluster/test_faults.py": ("dispatch/faults",),
    "tests/cluster/test_giving_back.py": ("dispatch/giving_back",),
    "tests/unit/dispatch/test_steps.py": ("dispatch/case",),
    "tests/cluster/test_policies.py": ("dispatch/policies",),
    "tests/cluster/test_rights.py": ("dispatch/objects",),
    "tests/cluster/test_commands.py": (
        "cli/cluster",
        "cli/cluster_doing",
        "cli/cluster_reach",
        "dispatch/applying",
    ),
    "tests/cluster/test_resident.py": ("dispatch/__main__", "dispatch/numbers", "dispatch/serving"),
    "tests/cluster/test_policy.py": ("kubernetes/policy/names", "kubernetes/policy/objects"),
    "tests/cluster/test_policy_life.py": (
        "kubernetes/policy/cluster",
        "kubernetes/policy/confine",
        "kubernetes/policy/resources",
    ),
    # Parts of one thing, which is tested as one.
    "tests/unit/engine/test_rehearsal.py": ("engine/actions",),
    "tests/unit/engine/test_rollback.py": (
        "engine/generations",
        "engine/way_back",
        "node/as_installed",
        "node/uptime",
    ),
    "tests/unit/engine/test_planner.py": ("engine/planning",),
    "tests/unit/engine/test_rollout.py": ("engine/events",),
    "tests/unit/runtimes/gvisor/test_generation.py": ("runtimes/gvisor/family",),
    "tests/unit/runtimes/test_requirements.py": ("runtimes/gvisor/requirements", "node/requirements"),
    "tests/unit/releases/test_cache_contents.py": ("cli/cache",),
    "tests/unit/cli/test_policy.py": ("cli/policy_site",),
    "tests/unit/cli/test_options.py": ("cli/options/choosing",),
    "tests/unit/cli/test_option_groups.py": ("cli/options/access", "cli/options/changing", "cli/options/rollout"),
    "tests/unit/cli/test_command_log.py": ("cli/options/shown",),
    "tests/unit/inventory/test_settings.py": tuple(
        f"inventory/settings/{name}" for name in ("node", "reach", "rollout", "runtime", "trust")
    ),
    "tests/unit/cli/test_push.py": ("releases/pushing",),
    "tests/unit/cli/test_fetch.py": ("cli/obtaining",),
    "tests/unit/cli/test_locking.py": ("runtimes/obtaining",),
    "tests/unit/engine/test_adopting.py": ("cli/adopt", "runtimes/adoption"),
    "tests/unit/workloads/test_calibration.py": ("workloads/calibration_report",),
    "tests/lab/test_calibrate.py": ("kubernetes/trials/calibrating",),
    # Only a server tells what they do.
    "tests/lab/test_ssh.py": ("hosts/ssh/host",),
    "tests/unit/cli/test_main.py": ("__main__", "cli/app", "cli/options/declaring"),
    "tests/unit/kubernetes/test_images.py": ("kubernetes/probe/hatch_build",),
}
"""Modules without tests beside their name, by where their tests are."""


def test_a_module_has_its_tests_beside_its_name_or_it_is_said_where() -> None:
    product = CHECKOUT / "nodeprov"
    modules = [path.relative_to(product) for path in product.rglob("*.py") if path.name != "__init__.py"]
    unit = CHECKOUT / "tests" / "unit"
    without = [path for path in modules if not (unit / path.parent / f"test_{path.stem}.py").exists()]
    listed = [module for some in ELSEWHERE.values() for module in some]
    assert sorted(str(path.with_suffix("")) for path in without) == sorted(listed)
    assert [where for where in ELSEWHERE if not (CHECKOUT / where).exists()] == []
