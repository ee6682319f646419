"""containerd's configuration, text to text: our runtime's table in, our runtime's table out."""

from nodeprov.containerd.edit import COMMENT as COMMENT
from nodeprov.containerd.edit import Runtime as Runtime
from nodeprov.containerd.edit import add_runtime as add_runtime
from nodeprov.containerd.edit import declared as declared
from nodeprov.containerd.edit import decode as decode
from nodeprov.containerd.edit import misplaced as misplaced
from nodeprov.containerd.edit import remove_runtime as remove_runtime
from nodeprov.containerd.tables import Refused as Refused
from nodeprov.containerd.versions import RUNTIMES_PATHS as RUNTIMES_PATHS
from nodeprov.containerd.versions import begun as begun
from nodeprov.containerd.versions import empty_config as empty_config
from nodeprov.containerd.versions import file_version as file_version
from nodeprov.containerd.versions import runtimes_path as runtimes_path
from nodeprov.containerd.versions import unread as unread
