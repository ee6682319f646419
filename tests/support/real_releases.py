"""gVisor's programs that the lab has built here, as far as it was ever up."""

from nodeprov.local_files import cache_folder

BUILT = sorted((cache_folder() / "lab").glob(f"gvisor-2026????.?-{'?' * 16}/runsc"))
"""runsc of each release, for this machine: a build for another one has its name before the digest."""
