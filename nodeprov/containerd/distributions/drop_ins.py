"""Files that a distribution reads itself before it starts containerd, and will not start with."""

from collections.abc import Iterator, Mapping

from nodeprov.containerd import Config, Refused
from nodeprov.toml import line_of

OLD_CRI = ("plugins", "io.containerd.grpc.v1.cri")
WITH_CONTAINERD_2 = (2, 0, 0)


def refused_drop_ins(files: Mapping[str, Config], version: tuple[int, ...]) -> Iterator[Refused]:
    """Find the files with which k0s ends before it starts its containerd, and why; `version` is containerd's.

    k0s: pkg/component/worker/containerd/configurer.go: a file must be TOML; since 1.36, which brings containerd 2,
    one that states a version must state 3, and none may have the CRI section of version 2 (k0s#7689).
    """
    for path, config in files.items():
        try:
            yield from _of_one(path, config, is_2=version >= WITH_CONTAINERD_2)
        except Refused as refused:
            yield Refused(f"{path}: {refused.message}: k0s does not start with that", refused.hint)


def _of_one(path: str, config: Config, *, is_2: bool) -> Iterator[Refused]:
    stated = config.document.get("version", 3)
    if is_2 and (type(stated) is not int or stated != 3):
        yield Refused(
            f"{path} states version {stated!r}: k0s with containerd 2 does not start with any but version 3",
            "write it for version 3 (containerd.io/docs: config version 3), or take it out of that folder",
        )
    elif is_2 and config.table(OLD_CRI) is not None:
        line = line_of(config.text, OLD_CRI)
        yield Refused(
            f"{path} line {line} has the CRI section of version 2: k0s with containerd 2 does not start with that",
            "in version 3 it is io.containerd.cri.v1.runtime or io.containerd.cri.v1.images",
        )
