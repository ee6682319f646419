"""The edit of what containerd's configuration is made of: state to state, whatever kind of file it is.

A Go template is edited as a text, as k3s and RKE2 expand it; all others are TOML.
"""

import difflib
import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace

from nodeprov import containerd
from nodeprov.containerd import COMMENT, RUNTIMES_PATHS, Config, Refused, Runtime, add_runtime, unread
from nodeprov.containerd.distributions.distribution import How, Source
from nodeprov.containerd.runtime import paths_of
from nodeprov.states import FileState
from nodeprov.toml import KeyPath, key_text

BASE = '{{ template "base" . }}\n'
"""All that the distribution would write without a template: what is copied from there goes stale."""
PLACES = (1, 2, 3)
"""The versions in whose place a template may have to have our table."""

_ACTION = re.compile(r"""\{\{(?:"(?:\\.|[^"\\])*"|`[^`]*`|(?!\}\}).)*\}\}""", re.DOTALL)
_BASE = re.compile(r"""\{\{-?\s*template\s+["`]base["`]""")
_OPENING = ("if", "range", "with", "define", "block")


def add_to_template(text: str | None, version: int, runtime: Runtime, ours: Sequence[Runtime] = ()) -> str:
    """Append the runtime's table; a template that has it comes back unchanged, None is an absent one.

    `version` is that in whose place containerd reads it in the file that is made. Raises Refused where an end of
    the text is not the end of what it expands to, and where somebody else declares the runtime there.
    """
    if text is None:
        return BASE + template_block(version, runtime)
    wanted = template_block(version, runtime)
    if wanted in text:
        return text
    text = remove_from_template(text, (runtime, *ours))
    _refuse_another(text, (*RUNTIMES_PATHS[version], runtime.handler))
    _refuse_open(text)
    return text + ("" if text.endswith("\n") else "\n") + wanted


def remove_from_template(text: str, ours: Sequence[Runtime]) -> str:
    """Take our tables out, whatever version's; a text without them comes back unchanged."""
    return _without(text, _blocks(text, ours))


def _without(text: str, blocks: Sequence[str]) -> str:
    for block in blocks:
        text = text.replace(block, "")
    return text


def template_declares(text: str, runtime: Runtime) -> bool:
    """Tell whether the template has our table."""
    return bool(_blocks(text, (runtime,)))


def template_block(version: int, runtime: Runtime) -> str:
    """Write what is appended to a template for a place of this version."""
    first = f"version = {version}\n"
    return add_runtime(first, runtime).removeprefix(first)


def _blocks(text: str, ours: Sequence[Runtime], *, loosely: bool = False) -> list[str]:
    """Find our tables as they stand in a template, in their order, of whatever generation of their handlers."""
    patterns = (_pattern(version, runtime, loosely=loosely) for runtime in ours for version in PLACES)
    found = {match.start(): match[0] for pattern in patterns for match in re.finditer(pattern, text)}
    return [found[start] for start in sorted(found)]


def _pattern(version: int, runtime: Runtime, *, loosely: bool) -> str:
    """Describe a table of ours by the byte, but for the generation that its paths name: `Runtime.owns` in a text.

    Taken `loosely` it may hand on other annotations of pods, too.
    """
    pattern = re.escape(template_block(version, replace(runtime, pod_annotations=()) if loosely else runtime))
    for path in paths_of(runtime.table()).values():
        folder, name = posixpath.dirname(posixpath.dirname(path)), posixpath.basename(path)
        if posixpath.basename(folder) == runtime.handler:
            any_generation = rf"""{re.escape(folder)}/[^/"'\\\s]+/{re.escape(name)}"""
            pattern = pattern.replace(re.escape(path), any_generation)
    if loosely:
        head, options, tail = pattern.partition(re.escape("\n\n["))
        pattern = rf"{head}(?:\npod_annotations = \[[^\]\n]*\])?{options}{tail}"
    return pattern


def template_version(source: Source, text: str | None, runtime: Runtime, ours: Sequence[Runtime] = ()) -> int:
    """Tell the version in whose place our table belongs in a template, by the file that will be made of it.

    That file is the one that was made of it last, unless the template has changed since; one without any action is
    the file itself. Raises Refused where containerd would read our table by chance or not at all.
    """
    is_as_it_is = text is not None and not _ACTION.search(text)
    made = text if is_as_it_is and source.made is None else source.made
    if made is None:
        return _stated_version(source, text)
    config = Config(containerd.remove_runtime(made, runtime, ours))
    for refused in unread(config, source.daemon_version) if source.daemon_version else ():
        raise refused
    place = containerd.runtimes_place(config, source.daemon_version)
    if containerd.lacks_runc(config, source.daemon_version):
        header = key_text((*place, "runc"))
        raise Refused(
            f"declares no runtime: with ours containerd {source.daemon_version} would not have runc any more",
            f'declare runc too: [{header}] with runtime_type = "io.containerd.runc.v2"',
        )
    if config.table((*place, runtime.handler)) is not None:
        raise _another((*place, runtime.handler))
    return next(version for version, path in RUNTIMES_PATHS.items() if path == place)


def _stated_version(source: Source, text: str | None) -> int:
    """Read the version that a template states at its top; one that has the base has that of the base."""
    if text is None or _BASE.search(text):
        return source.version
    _refuse_open(text)
    found = re.search(r"^[ \t]*version[ \t]*=[ \t]*(\d+)", re.split(r"^[ \t]*\[", text, flags=re.M)[0], re.M)
    if found and int(found[1]) in RUNTIMES_PATHS:
        return min(int(found[1]), PLACES[-1])
    raise Refused(
        "the template states no version, and has changed since a file was made of it: the next one is not known",
        "write its version at its top, such as version = 3, or restart the service that makes the file first",
    )


def expanded(how: How, made: str, before: str | None, after: str | None, ours: Sequence[Runtime]) -> str | None:
    """Return what a distribution will make of a source that is edited; None where that cannot be told.

    `made` is what it has made of `before`: text that nobody expands comes into it as it is.
    """
    if how is How.GO_TEMPLATE:
        return _expanded_template(made, before or BASE.rstrip(), after or BASE.rstrip(), ours)
    return _substituted(made, before or "", after or "") if how is How.IN_PLACE else None


def _expanded_template(made: str, before: str, after: str, ours: Sequence[Runtime]) -> str | None:
    """Move our table in what was made as in the template: it is at the end of both."""
    old, new, rest = (_without(text, _blocks(text, ours, loosely=True)) for text in (before, after, made))
    tail = old.rpartition("}}")[2].strip()
    is_of_it = rest.rstrip().endswith(tail) and (rest != made) == (old != before)
    if old.rstrip() != new.rstrip() or not is_of_it:
        return None
    return rest + "".join(["\n" * (len(new) - len(old)), *_blocks(after, ours, loosely=True)])


def _substituted(made: str, before: str, after: str) -> str | None:
    """Edit what was made line by line as the template: sed puts values for names in lines, and adds none."""
    old, new, lines = (text.splitlines(keepends=True) for text in (before, after, made))
    if len(old) != len(lines):
        return None
    matched = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return "".join(line for kind, a, b, c, d in matched for line in (lines[a:b] if kind == "equal" else new[c:d]))


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


def _refuse_open(text: str) -> None:
    if open_actions(text):
        raise Refused(
            f"the template ends inside {{{{ {open_actions(text)[-1]} }}}}: what is appended would depend on it",
            "close it with {{ end }}: the distribution cannot read it either",
        )


def _refuse_another(text: str, path: KeyPath) -> None:
    header = r"\s*\.\s*".join(rf"""["']?{re.escape(part)}["']?""" for part in path)
    if re.search(rf"^\s*\[\s*{header}\s*\]", text, re.MULTILINE):
        raise _another(path)


def _another(path: KeyPath) -> Refused:
    return Refused(
        f"[{key_text(path)}] was not written by nodeprov, or was changed since",
        f"take it out, with the line {COMMENT!r} above it, or give nodeprov's runtime another handler: "
        "[runtime] handler",
    )


MODE = 0o644


def added(source: Source, current: FileState | None, runtime: Runtime, ours: Sequence[Runtime]) -> FileState:
    """Declare a runtime in a source; raise Refused where that cannot be done."""
    text = None if current is None else containerd.decode(current.content)
    if source.how is How.GO_TEMPLATE:
        new = add_to_template(text, template_version(source, text, runtime, ours), runtime, ours)
    elif text is None or (source.how is How.DROP_IN and not _others(text, runtime, ours)):
        new = containerd.add_runtime(f"version = {source.version}\n", runtime)
    else:
        for refused in unread(Config(text), source.daemon_version) if source.daemon_version else ():
            raise refused
        new = containerd.add_runtime(text, runtime, ours, source.daemon_version)
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
