#!/bin/sh
# testinfra 10.2.2: host.process.filter(comm=...) compares with `ps -o comm`, and Linux keeps 15 characters of it. So a
# check that filters for containerd-shim-runsc-v1 (24 characters; containerd-shim-runc-v2 has 23) finds no process, whatever
# runs, and "no shim is left" is true always; comm="containerd-shim" finds the shims of all runtimes together. Nothing says
# that the name is longer than any can be. `args` has the whole name.
#
# Seen: the lines in `expected` below, with a copy of sleep under that name. Needs procps and Python 3.10 with venv. Ends
# with 1 when any has changed.
set -eu
folder=$(mktemp -d)
sleeper=
trap '[ -z "$sleeper" ] || kill "$sleeper"; rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pytest-testinfra==10.2.2
cp "$(command -v sleep)" containerd-shim-runsc-v1
./containerd-shim-runsc-v1 120 &
sleeper=$!
cat > ask.py << 'END'
import sys

import testinfra

host, pid = testinfra.get_host("local://"), int(sys.argv[1])
for comm in ("containerd-shim-runsc-v1", "containerd-shim"):
    print(comm, "found" if host.process.filter(comm=comm, pid=pid) else "not found")
print("args", "runsc" in host.process.get(pid=pid).args)
END
venv/bin/python ask.py "$sleeper" | tee found
cat > expected << 'END'
containerd-shim-runsc-v1 not found
containerd-shim found
args True
END
cmp found expected
