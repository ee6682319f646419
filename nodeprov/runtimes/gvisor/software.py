"""gVisor's releases, as upstream publishes them."""

import re
from types import MappingProxyType

from nodeprov.releases.source import AptPackage, ArtifactLayout, Software

PROGRAMS = ("runsc", "containerd-shim-runsc-v1")

# GitHub's list of releases is no help in finding the latest one: it follows the bucket hours or days later, and
# has releases that the bucket never had (gvisor#12167, #14385, #14529). Upstream copies the same files to
# `release/latest` and to the version's own folder (tools/make_release.sh). Two tags on one commit are one build
# under two names, such as release-20250915.0 and release-20250922.0.
SOFTWARE = Software(
    name="gVisor",
    # zstd is a fifth smaller than bz2, and ten times faster; the loose files beside an archive lack gvisor-bin/,
    # which that release needs (https://github.com/google/gvisor/issues/13718).
    layouts=(
        ArtifactLayout("archive", ("gvisor.tar.zstd",)),
        ArtifactLayout("archive", ("gvisor.tar.bz2",)),
        ArtifactLayout("loose", PROGRAMS),
    ),
    programs=PROGRAMS,
    architectures=("x86_64", "aarch64"),  # upstream names its folders as `uname -m` does (gvisor#12167)
    version=re.compile(r"[0-9]{8}(\.[0-9]+)?"),
    # What `git describe` prints on a tagged commit, stamped into runsc (upstream's tools/workspace_status.sh).
    # `-13-gabcdef` behind it means a commit after the tag, and names no release.
    named_release=re.compile(rb"release-(\d{8}\.\d+)(?![\d.]|-\d)"),
    example="20260905.0",
    version_hint="type it as 20260905.0, or as 20260905 for the newest of that day",
    list_hint="https://github.com/google/gvisor/releases lists the releases, but not all are published",
    # A suite has a day's releases, and is signed (tools/make_apt.sh). debian/BUILD packs the same build targets.
    package=AptPackage(
        "runsc",
        "usr/bin",
        MappingProxyType({"x86_64": "amd64", "aarch64": "arm64"}),
        re.compile(r"[0-9]{8}"),
        "https://gvisor.dev/archive.key",
    ),
)
