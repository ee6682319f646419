"""The edit of what containerd's configuration is made of: state to state, whatever kind of file it is.

A Go template is edited as a text, as k3s and RKE2 expand it; all others are TOML.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from nodeprov import containerd
from nodeprov.containerd import COMMENT, Refused, Runtime, add_runtime
from nodeprov.containerd.config import EVERY_PATH
from nodeprov.containerd.distributions.distribution import How, Source
from nodeprov.states import FileState
from nodeprov.toml import key_text

BASE = '{{ template "base" . }}\n'
"""All that the distribution would write without a template: what is copied from there goes stale."""
EXPANDED_VERSIONS = (2, 3)
"""The versions of the files that templates expand to."""

_ACTION = re.compile(r"""\{\{(?:"(?:\\.|[^"\\])*"|`[^`]*`|(?!\}\}).)*\}\}""", re.DOTALL)
_OPENING = ("if", "range", "with", "define", "block")


def add_to_template(text: str | None, version: int, runtime: Runtime, ours: Sequence[Runtime] = ()) -> str:
    """Append the runtime's table; a template that has it comes back unchanged, None is an absent one.

    `version` is that of the file which the template expands to. Raises Refused where an end of the text is not
    the end of what it expands to, and where somebody else declares the runtime.
    """
    if text is None:
        return BASE + template_block(version, runtime)
    version = stated_version(text, version)
    wanted = template_block(version, runtime)
    if wanted in text:
        return text
    text = remove_from_template(text, (runtime, *ours))
    _refuse_another(text, runtime.handler)
    if open_actions(text):
        raise Refused(
            f"the template ends inside {{{{ {open_actions(text)[-1]} }}}}: what is appended would depend on it",
            "close it with {{ end }}, as the distribution itself would complain",
        )
    return text + ("" if text.endswith("\n") else "\n") + wanted


def remove_from_template(text: str, ours: Sequence[Runtime]) -> str:
    """Take our tables out, for any version of the file; a text without them comes back unchanged."""
    for runtime in ours:
        for version in EXPANDED_VERSIONS:
            text = text.replace(template_block(version, runtime), "")
    return text


def template_declares(text: str, runtime: Runtime) -> bool:
    """Tell whether the template has our table."""
    return any(template_block(version, runtime) in text for version in EXPANDED_VERSIONS)


def template_block(version: int, runtime: Runtime) -> str:
    """Write what is appended to a template that expands to a file of this version."""
    first = f"version = {version}\n"
    return add_runtime(first, runtime).removeprefix(first)


def stated_version(text: str, otherwise: int) -> int:
    """Read the version that a template states on its own: one without the base is a whole file."""
    found = re.search(r"^\s*version\s*=\s*(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else otherwise


def open_actions(text: str) -> tuple[str, ...]:
    """Name the actions that are still open at the end of a template: `if`, `range`, `define` and the like."""
    still: list[str] = []
    for action in _ACTION.findall(text):
        keyword = re.match(r"\{\{-?\s*(\w+)", action)
        if keyword and keyword[1] in _OPENING:
            still.append(keyword[1])
        elif keyword and keyword[1] == "end" and still:
            still.pop()
    return tuple(still)


def _refuse_another(text: str, handler: str) -> None:
    for path in EVERY_PATH:
        header = r"\s*\.\s*".join(rf"""["']?{re.escape(part)}["']?""" for part in (*path, handler))
        if re.search(rf"^\s*\[\s*{header}\s*\]", text, re.MULTILINE):
            raise Refused(
                f"[{key_text((*path, handler))}] was not written by nodeprov, or was changed since",
                f"take it out, with the line {COMMENT!r} above it, or give nodeprov's runtime another handler: "
                "[runtime] handler",
            )


MODE = 0o644


def added(source: Source, current: FileState | None, runtime: Runtime, ours: Sequence[Runtime]) -> FileState:
    """Declare a runtime in a source; raise Refused where that cannot be done."""
    text = None if current is None else containerd.decode(current.content)
    if source.how is How.GO_TEMPLATE:
        new = add_to_template(text, source.version, runtime, ours)
    elif text is None or (source.how is How.DROP_IN and not _others(text, runtime, ours)):
        new = containerd.add_runtime(f"version = {source.version}\n", runtime)
    else:
        new = containerd.add_runtime(text, runtime, ours)
    return FileState(new.encode(), MODE) if current is None else replace(current, content=new.encode())


def removed(how: How, current: FileState | None, runtime: Runtime, ours: Sequence[Runtime]) -> FileState | None:
    """Take a runtime out; of a file that held nothing else nothing is left."""
    if current is None:
        return None
    text = containerd.decode(current.content)
    if how is How.GO_TEMPLATE:
        left = remove_from_template(text, (runtime, *ours))
        return None if left == BASE != text else replace(current, content=left.encode())
    if how is How.DROP_IN and not _others(text, runtime, ours):
        return None
    return replace(current, content=containerd.remove_runtime(text, runtime, ours).encode())


def _others(text: str, runtime: Runtime, ours: Sequence[Runtime]) -> bool:
    """Tell whether a drop-in holds anything but our table and a version."""
    left = containerd.remove_runtime(text, runtime, ours).strip()
    return left not in ("", "version = 2", "version = 3", "version = 4")
