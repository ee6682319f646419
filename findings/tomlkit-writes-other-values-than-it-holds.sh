#!/bin/sh
# tomlkit 0.15.2 keeps a file's layout when it edits, and for two layouts that are valid TOML what it writes is not what it
# holds, without an error:
# - in an array with its commas before the items and a comment behind the last one, what is appended lands in that comment;
# - where a table is added below dotted keys (`a.b = 1`), its header is written between them, and the dotted keys behind it
#   become a part of the new table.
# The document in memory is right each time. So who edits a file of somebody else with it must parse what was written, and
# compare, before the file is replaced.
#
# Seen: the lines in `expected` below: what tomlkit holds, and what tomllib reads of what it wrote. Needs Python 3.11 with
# venv. Ends with 1 when any has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check tomlkit==0.15.2
cat > edit.py << 'END'
import tomllib

import tomlkit

COMMAS_FIRST = """\
plugins = [
    "one" # the first
  , "two" # the second
]
"""
DOTTED = """\
limits.cpu = 1
limits.memory = 2
"""

document = tomlkit.parse(COMMAS_FIRST)
document["plugins"].append("three")
print("array  ", document.unwrap(), tomllib.loads(tomlkit.dumps(document)))

document = tomlkit.parse(DOTTED)
document["limits"]["disk"] = {"size": 3}
print("dotted ", document.unwrap(), tomllib.loads(tomlkit.dumps(document)))
END
venv/bin/python edit.py | tee found
cat > expected << 'END'
array   {'plugins': ['one', 'two', 'three']} {'plugins': ['one', 'two']}
dotted  {'limits': {'cpu': 1, 'disk': {'size': 3}, 'memory': 2}} {'limits': {'cpu': 1, 'disk': {'size': 3, 'limits': {'memory': 2}}}}
END
cmp found expected
