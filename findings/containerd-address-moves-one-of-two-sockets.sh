#!/bin/sh
# containerd listens on two sockets: gRPC's, and ttrpc's for the events of shims, which is called like the first one with
# .ttrpc behind it. Up to 2.2 `containerd --address X` moves both. From 2.3 on it moves the first one only: the second one
# stays beside the address that the configuration file names. So a second containerd that is started with the same file
# and with --root, --state and --address of its own takes the ttrpc socket away from the first one.
#
# Seen: with containerd 2.2.9 and 2.4.2, built from their modules. Needs Go 1.26 or later. Ends with 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

mkdir go
(
    cd go
    go mod init finding
    for version in 2.2.9 2.4.2; do
        go get "github.com/containerd/containerd/v2/cmd/containerd@v$version"
        CGO_ENABLED=0 go build -o "containerd-$version" github.com/containerd/containerd/v2/cmd/containerd
    done
) > go.log 2>&1 || {
    cat go.log
    exit 1
}
for version in 2.2.9 2.4.2; do
    echo "containerd $version"
    mkdir "$version"
    cat > "$version/config.toml" << END
version = 3
disabled_plugins = ["io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri"]
[grpc]
  address = "$folder/$version/file.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$folder/$version/opt"
END
    "go/containerd-$version" --config "$version/config.toml" --root "$folder/$version/root" \
        --state "$folder/$version/state" --address "$folder/$version/flag.sock" > "$version/log" 2>&1 &
    containerd=$!
    tries=0
    until [ "$(find "$version" -maxdepth 1 -type s | wc -l)" -ge 2 ]; do
        [ $((tries += 1)) -lt 100 ] || { cat "$version/log"; break; }
        sleep 0.1
    done
    find "$version" -maxdepth 1 -type s -printf '%f\n' | sort
    kill "$containerd"
    wait "$containerd" || :
done | tee found
cat > expected << 'END'
containerd 2.2.9
flag.sock
flag.sock.ttrpc
containerd 2.4.2
file.sock.ttrpc
flag.sock
END
cmp found expected
