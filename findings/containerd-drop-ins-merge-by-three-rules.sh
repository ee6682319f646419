#!/bin/sh
# containerd 2.x merges a drop-in into its configuration by three rules, depending on where in the file a value stands:
# - at the top level and in [debug], a list is appended to, and a zero ("" or 0) in the drop-in is ignored: what the main
#   file sets can be replaced and not be taken back;
# - in a plugin's table, at any depth, a list is replaced, and a zero, false and [] count;
# - a table of [stream_processors] is replaced as a whole: what the drop-in does not repeat is lost.
# So `oom_score = 0` in a drop-in does nothing, and `max_container_log_line_size = 0` does something. And up to 2.2 the
# version that the last file states counts for all of them; from 2.3 on a file of a lower version is migrated instead.
#
# Seen: with containerd 2.2.9 and 2.4.2, through their own loader. Needs Go 1.26 or later. Ends with 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

cat > config.toml << 'END'
version = 3
imports = ["conf.d/*.toml"]
oom_score = -999
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs"]
[debug]
  level = "debug"
[plugins."io.containerd.cri.v1.runtime"]
  max_container_log_line_size = 16384
  enable_cdi = true
  cdi_spec_dirs = ["/etc/cdi"]
[stream_processors.decrypt]
  path = "/usr/bin/old"
  args = ["--keys", "/etc/keys"]
END
mkdir conf.d
cat > conf.d/own.toml << 'END'
version = 2
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.zfs"]
[debug]
  level = ""
[plugins."io.containerd.cri.v1.runtime"]
  max_container_log_line_size = 0
  enable_cdi = false
  cdi_spec_dirs = []
[stream_processors.decrypt]
  path = "/usr/bin/new"
END

mkdir go
cat > go/main.go << 'END'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/containerd/containerd/v2/cmd/containerd/server/config"
)

func main() {
	var c config.Config
	if err := config.LoadConfig(context.Background(), os.Args[1], &c); err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println("version", c.Version)
	fmt.Printf("oom_score %d, debug level %q, disabled_plugins %q\n", c.OOMScore, c.Debug.Level, c.DisabledPlugins)
	plugin := c.Plugins["io.containerd.cri.v1.runtime"].(map[string]any)
	fmt.Println("plugin", plugin["max_container_log_line_size"], plugin["enable_cdi"], plugin["cdi_spec_dirs"])
	processor := c.StreamProcessors["decrypt"]
	fmt.Printf("stream processor %s %q\n", processor.Path, processor.Args)
}
END
(
    cd go
    go mod init finding
    for version in 2.2.9 2.4.2; do
        go get "github.com/containerd/containerd/v2@v$version"
        go mod tidy
        go build -o "load-$version" .
    done
) > go.log 2>&1 || {
    cat go.log
    exit 1
}
for version in 2.2.9 2.4.2; do
    echo "containerd $version"
    "go/load-$version" config.toml 2> /dev/null
done | tee found
cat > expected << 'END'
containerd 2.2.9
version 2
oom_score -999, debug level "debug", disabled_plugins ["io.containerd.snapshotter.v1.btrfs" "io.containerd.snapshotter.v1.zfs"]
plugin 0 false []
stream processor /usr/bin/new []
containerd 2.4.2
version 3
oom_score -999, debug level "debug", disabled_plugins ["io.containerd.snapshotter.v1.btrfs" "io.containerd.snapshotter.v1.zfs"]
plugin 0 false []
stream processor /usr/bin/new []
END
cmp found expected
