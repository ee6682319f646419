#!/bin/sh
# Keys of TOML are case-sensitive (toml.io: a key is what is written). Both Go parsers of a node that runs gVisor match
# them to a program's fields whatever their case: BurntSushi/toml (gVisor's shim: v1.4.1-0.20240526193622-a339e1f7089c; also
# 1.5.0) and go-toml (containerd 2.4: 2.4.3). So a file that says LOG_LEVEL sets log_level, though every other TOML tool,
# tomllib among them, says that log_level is not set. And where a file has both spellings, which is no duplicate for TOML,
# go-toml takes the last one, and BurntSushi now one and now the other: it walks a Go map.
#
# Seen: the lines in `expected` below, of 500 readings each. Needs Go 1.22 or later, and Python 3.11. Ends with 1 when any
# has changed.
set -eu
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

printf '%s\n' 'LOG_LEVEL = "debug"' > capitals.toml
printf '%s\n' 'log_level = "debug"' 'Log_Level = "info"' > both.toml

cat > main.go << 'END'
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	burntsushi "github.com/BurntSushi/toml"
	"github.com/pelletier/go-toml/v2"
)

type options struct {
	LogLevel string `toml:"log_level"`
}

func main() {
	text, _ := os.ReadFile(os.Args[1])
	readers := []func(*options) error{
		func(o *options) error { return burntsushi.Unmarshal(text, o) },
		func(o *options) error { return toml.Unmarshal(text, o) },
	}
	for number, name := range []string{"BurntSushi", "go-toml"} {
		var seen []string
		for range 500 {
			var o options
			if err := readers[number](&o); err != nil {
				o.LogLevel = "error"
			}
			if !slices.Contains(seen, o.LogLevel) {
				seen = append(seen, o.LogLevel)
			}
		}
		slices.Sort(seen)
		fmt.Printf(" %s: %s;", name, strings.Join(seen, " or "))
	}
	fmt.Println()
}
END
(
    go mod init finding
    go get github.com/pelletier/go-toml/v2@v2.4.3
    for version in v1.4.1-0.20240526193622-a339e1f7089c v1.5.0; do
        go get "github.com/BurntSushi/toml@$version"
        go build -o "read-$version" .
    done
) > go.log 2>&1 || {
    cat go.log
    exit 1
}
for case in capitals both; do
    for program in read-*; do
        echo "$case, ${program#read-}:$("./$program" $case.toml)"
    done
    python3 -c 'import sys, tomllib; print("tomllib", tomllib.load(open(sys.argv[1], "rb")).get("log_level", "not set"))' $case.toml
done | tee found
cat > expected << 'END'
capitals, v1.4.1-0.20240526193622-a339e1f7089c: BurntSushi: debug; go-toml: debug;
capitals, v1.5.0: BurntSushi: debug; go-toml: debug;
tomllib not set
both, v1.4.1-0.20240526193622-a339e1f7089c: BurntSushi: debug or info; go-toml: info;
both, v1.5.0: BurntSushi: debug or info; go-toml: info;
tomllib debug
END
cmp found expected
