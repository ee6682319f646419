#!/bin/sh
# containerd 2.3 and later take either of two CRI sections, another one each time. In a file of version 1, or without a
# version, [plugins.cri] is renamed to [plugins."io.containerd.grpc.v1.cri"] while a map of Go is walked, which has no
# order: where the file has that one too, one of the two is lost, with all runtimes in it. `config dump` shows it and exits
# with 0; the daemon does the same at each start. And 2.0 to 2.2 take such a file for one of version 3
# and ignore both sections without a word.
#
# Seen: with containerd 2.1.9, 2.3.4, 2.3.7 and 2.4.2. Needs a containerd of 2.3 or later, as its argument or on PATH.
# Ends with 1 when it changes.
set -eu
containerd=${1:-containerd}
file=$(mktemp)
trap 'rm -f "$file" "$file.seen"' EXIT
cat > "$file" << 'END'
version = 1
[plugins.cri.containerd.runtimes.old]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.new]
  runtime_type = "io.containerd.runc.v2"
END
for _ in $(seq 100); do
    "$containerd" -c "$file" config dump 2> /dev/null | grep -oE 'runtimes\.(old|new)\]' | sort -u | paste -sd ' '
done | sort | uniq -c | tee "$file.seen"
[ "$(wc -l < "$file.seen")" = 2 ] || { echo "changed: it is the same each time"; exit 1; }
