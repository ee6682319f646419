"""What a diff shows, and what not."""

from __future__ import annotations

import json

import pytest

from nodeprov.plan import action
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import Plan
from nodeprov.reports.plan import diff, plan_json
from nodeprov.states import FileState
from tests.support.plans import CONFIG_KEY, SECRET, change


def texts(before: str, after: str) -> Change:
    return change(CONFIG_KEY, FileState(before.encode(), 0o644), FileState(after.encode(), 0o644))


@pytest.mark.parametrize(
    "line",
    [
        f'password = "{SECRET}"',
        f'passwd = "{SECRET}"',
        f'auth = "{SECRET}"',
        f"identitytoken = '{SECRET}'",
        f'  CLIENT_SECRET="{SECRET}"',
        f'Authorization = ["Basic {SECRET}"]',
        f"registry.configs.\"r.io\".auth.password = '{SECRET}'",
        f'credential_helper = "{SECRET}"',
        f'auth = {{ username = "u", password = "{SECRET}" }}',
        f"configs = {{ 'r.io' = {{ auth = {{ password = '{SECRET}' }} }} }}",
        f"env = ['REGISTRY_TOKEN={SECRET}']",
        f"endpoint = ['https://u:{SECRET}@r.io']",
    ],
)
@pytest.mark.parametrize("near", ["added", "removed", "beside"])
def test_a_secret_is_not_shown_in_a_diff_and_its_name_is(line: str, near: str) -> None:
    before, after = {
        "added": ("a = 1\n", f"a = 1\n{line}\n"),
        "removed": (f"a = 1\n{line}\n", "a = 1\n"),
        "beside": (f"{line}\n", f"{line}\nb = 2\n"),
    }[near]
    text = "\n".join(diff(texts(before, after)))
    assert SECRET not in text
    assert f"{line.partition('=')[0].rstrip()} (not shown)" in text
    assert SECRET not in json.dumps(plan_json(Plan("n", action.INSTALL, (texts(before, after),))))


def test_a_secret_on_a_line_of_a_longer_list_is_not_shown() -> None:
    lines = diff(texts("", f"env = [\n  'TOKEN: {SECRET}',\n]\n"))
    assert lines[-3:] == ["+env (not shown)", "+ (not shown)", "+ (not shown)"], "the list is one value"


KEY = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    "value",
    [
        f'password = """\n{SECRET}\n"""',
        f"password = '''\n{SECRET}\nand more'''",
        f'password = """first \\\n    {SECRET}"""',
        f'tokens = [\n  "a",\n  # old\n  ["{SECRET}"],\n]',
        f'[registry.auth]\nname = """\n{SECRET}"""',
        f'key = """\n{KEY}\n"""',
        f'header = """\nAuthorization:\n{SECRET}"""',
        f'auth = """\n{{{{ if .X }}}}\n{SECRET}\n"""\n{{{{ template "base" . }}}}',
    ],
)
@pytest.mark.parametrize("near", ["added", "removed", "beside", "in its middle"])
def test_a_secret_that_goes_over_lines_is_not_shown_in_a_diff(value: str, near: str) -> None:
    before, after = {
        "added": ("a = 1\n", f"a = 1\n{value}\n"),
        "removed": (f"a = 1\n{value}\n", "a = 1\n"),
        "beside": (f"{value}\n", f"{value}\nb = 2\n"),
        "in its middle": (f"{value}\n", f"{value.replace(SECRET, SECRET + ' and more')}\n"),
    }[near]
    shown = "\n".join(diff(texts(before, after)))
    assert SECRET not in shown
    assert "(not shown)" in shown
    assert "-----END" not in shown


def test_what_stands_around_a_secret_that_goes_over_lines_is_shown() -> None:
    value = f'a = 1\npassword = """\n{SECRET}\n"""\nb = 2\n'
    lines = diff(texts(f"{value}", f"{value}c = 3\n"))
    assert lines[-2:] == [" b = 2", "+c = 3"]


def test_what_is_no_secret_is_shown() -> None:
    assert diff(texts("", 'runtime_path = "/x"\n'))[-1] == '+runtime_path = "/x"'


def test_a_file_that_is_no_text_can_be_shown() -> None:
    made = change(CONFIG_KEY, None, FileState(b"\xff\n", 0o644))
    assert diff(made)[-1] == "+\\xff"
