#!/bin/sh
# kubectl get node/a node/b ...: kubectl asks for each object that is named by a request of its own, one after the other, and after the
# first ten it waits 0.2 s before each: client-go's limit for clients that set none (5 a second, 10 at once). The higher limit that
# kubectl sets is for its questions about what kinds of objects there are. Each wait is too short for the line that client-go prints of long
# ones. So 40 nodes by their names take 6 seconds, and a thousand more than three minutes, however fast the server is; a list of all nodes
# is one request. The same with `kubectl get node a b ...`.
#
# Seen: with k8s.io/kubectl v0.36.3, built from its module, against a server of 40 lines that answers at once; the times are those
# at which the server gets the requests. Needs Go 1.26 or later and Python 3.11. Ends with 1 when it changes.
set -eu
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

mkdir go
cat > go/main.go << 'END'
package main

import (
	"os"

	"k8s.io/kubectl/pkg/cmd"
)

func main() {
	if cmd.NewDefaultKubectlCommand().Execute() != nil {
		os.Exit(1)
	}
}
END
(
    cd go
    go mod init finding
    go get k8s.io/kubectl@v0.36.3
    go mod tidy
    CGO_ENABLED=0 go build -o kubectl .
) > go.log 2>&1 || {
    cat go.log
    exit 1
}

cat > server.py << 'END'
"""An API server with as many nodes as are asked for; it notes when it is asked for one."""

import http.server
import json
import time

VERBS = ["get", "list"]
ANSWERS = {
    "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.3"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [{"name": "nodes", "singularName": "node", "namespaced": False, "kind": "Node", "verbs": VERBS}],
    },
}


def node(name):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        found = ANSWERS.get(path)
        if path.startswith("/api/v1/nodes"):
            with open("asked", "a") as file:
                file.write(f"{time.monotonic()}\n")
            name = path.removeprefix("/api/v1/nodes").strip("/")
            every = {"apiVersion": "v1", "kind": "NodeList", "items": [node(f"w{number}") for number in range(40)]}
            found = node(name) if name else every
        body = json.dumps(found or {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
with open("port", "w") as file:
    file.write(f"{listening.server_port}\n")
listening.serve_forever()
END
python3 server.py &
server=$!
until [ -s port ]; do sleep 0.1; done
tell() {
    what=$1
    shift
    : > asked
    lines=$(HOME=$folder KUBECONFIG=/dev/null go/kubectl --server "http://127.0.0.1:$(cat port)" get "$@" -o name | wc -l)
    python3 - "$what" "$lines" << 'END'
import sys

what, lines = sys.argv[1:]
asked = [float(line) for line in open("asked")]
pauses = [later - earlier for earlier, later in zip(asked, asked[1:])]
waited = [pause for pause in pauses if pause > 0.1]
count = "25 to 30" if 25 <= len(waited) <= 30 else len(waited)
pace = f", of which it waited before {count}, {sum(waited) / len(waited):.1f} s each" if waited else ""
print(f"{what}: {lines} nodes by {len(asked)} requests{pace}")
END
}
{
    # shellcheck disable=SC2046  # as many words as numbers
    tell "40 as TYPE/NAME" $(seq -f node/w%g 0 39)
    # shellcheck disable=SC2046
    tell "40 names" node $(seq -f w%g 0 39)
    tell "all" node
} | tee found
cat > expected << 'END'
40 as TYPE/NAME: 40 nodes by 40 requests, of which it waited before 25 to 30, 0.2 s each
40 names: 40 nodes by 40 requests, of which it waited before 25 to 30, 0.2 s each
all: 40 nodes by 1 requests
END
cmp found expected
