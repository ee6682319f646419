"""containerd's configuration, text to text: our runtime's table in, our runtime's table out."""

from nodeprov.containerd.config import RUNTIMES_PATHS as RUNTIMES_PATHS
from nodeprov.containerd.config import Config as Config
from nodeprov.containerd.config import Refused as Refused
from nodeprov.containerd.config import decode as decode
from nodeprov.containerd.config import differences as differences
from nodeprov.containerd.edit import COMMENT as COMMENT
from nodeprov.containerd.edit import add_runtime as add_runtime
from nodeprov.containerd.edit import dead_tables_of_others as dead_tables_of_others
from nodeprov.containerd.edit import drop_in_path as drop_in_path
from nodeprov.containerd.edit import drop_in_text as drop_in_text
from nodeprov.containerd.edit import remove_runtime as remove_runtime
from nodeprov.containerd.edit import with_runtime as with_runtime
from nodeprov.containerd.edit import without_runtime as without_runtime
from nodeprov.containerd.runtime import Runtime as Runtime
from nodeprov.containerd.versions import begun as begun
from nodeprov.containerd.versions import dead_tables as dead_tables
from nodeprov.containerd.versions import empty_config as empty_config
from nodeprov.containerd.versions import lacks_runc as lacks_runc
from nodeprov.containerd.versions import on_line as on_line
from nodeprov.containerd.versions import runtimes_place as runtimes_place
from nodeprov.containerd.versions import unread as unread
