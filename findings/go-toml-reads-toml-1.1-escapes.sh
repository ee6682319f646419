#!/bin/sh
# go-toml v2 (the parser of containerd 2.x: 2.2.4 in containerd 2.1 and 2.2, 2.4.3 in 2.4) is a TOML 1.0 library, and
# reads the escape \e, which only TOML 1.1 has. tomllib of Python 3.11 and tomlkit 0.13.3 refuse the same file. So a
# configuration that containerd serves can be one that these Python tools cannot read. The other way round, 1e400 is
# infinity for both Python parsers and an error for go-toml. And a leap second (23:59:60, which RFC 3339 allows) is an
# error for Python and for go-toml 2.4.3; 2.2.4 reads it as the next minute, without a word.
#
# Seen: the lines in `expected` below. Needs Go 1.21 or later, and Python 3.11 with venv. Ends with 1 when any has changed.
set -eu
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

printf '%s\n' 'x = "\e[0m"' > escape-e.toml
printf '%s\n' 'x = 1e400' > big-float.toml
printf '%s\n' 'x = 2016-12-31T23:59:60Z' > leap-second.toml

mkdir go
cat > go/main.go << 'END'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/pelletier/go-toml/v2"
)

func main() {
	text, _ := os.ReadFile(os.Args[1])
	var value map[string]any
	if toml.Unmarshal(text, &value) != nil {
		fmt.Println("error")
		return
	}
	written, _ := json.Marshal(value)
	fmt.Println(string(written))
}
END
(
    cd go
    go mod init finding
    for version in 2.2.4 2.4.3; do
        go get "github.com/pelletier/go-toml/v2@v$version"
        go build -o "read-$version" .
    done
) > go.log 2>&1 || {
    cat go.log
    exit 1
}
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check tomlkit==0.13.3
cat > read.py << 'END'
import sys
import tomllib

import tomlkit

text = open(sys.argv[1]).read()
for parse in (tomllib.loads, tomlkit.parse):
    try:
        print(parse(text)["x"])
    except ValueError:
        print("error")
END

for case in escape-e big-float leap-second; do
    echo "$case: $(go/read-2.2.4 $case.toml) $(go/read-2.4.3 $case.toml) $(venv/bin/python read.py $case.toml | paste -s -d ' ')"
done | tee found
cat > expected << 'END'
escape-e: {"x":"\u001b[0m"} {"x":"\u001b[0m"} error error
big-float: error error inf inf
leap-second: {"x":"2017-01-01T00:00:00Z"} error error error
END
cmp found expected
