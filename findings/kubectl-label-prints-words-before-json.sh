#!/bin/sh
# kubectl label NODE KEY- -o json: where the object has no such label, kubectl prints a line for people, `label "KEY" not found.`,
# to standard output and the JSON after it, and ends with 0: what asked for JSON gets something that no parser reads. The same
# with -o yaml. It does so only if it asks a server: with --local the output is the JSON alone. And `kubectl annotate NODE KEY-`
# is always the JSON alone. So a program that removes a label whether or not it is there must look for the first `{`.
#
# Seen: with k8s.io/kubectl v0.36.3, built from its module, against a server of 40 lines that answers as an API server does.
# Needs Go 1.26 or later and Python 3.11. Ends with 1 when it changes.
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
"""An API server with one node, which stays as it is: as much of it as kubectl asks for."""

import http.server
import json

MARKED = {"there": "yes"}
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "worker1", "resourceVersion": "1", "labels": MARKED, "annotations": MARKED},
}
VERBS = ["get", "list", "patch"]
ANSWERS = {
    "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.3"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [{"name": "nodes", "singularName": "node", "namespaced": False, "kind": "Node", "verbs": VERBS}],
    },
    "/api/v1/nodes/worker1": NODE,
}


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = ANSWERS.get(self.path.partition("?")[0])
        body = json.dumps(found or {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PATCH(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_):
        pass


listening = http.server.HTTPServer(("127.0.0.1", 0), Server)
with open("port", "w") as file:
    file.write(f"{listening.server_port}\n")
listening.serve_forever()
END
python3 server.py &
server=$!
until [ -s port ]; do sleep 0.1; done
cat > node.json << 'END'
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker1", "labels": {"there": "yes"}}}
END
tell() {
    what=$1
    shift
    status=0
    HOME=$folder KUBECONFIG=/dev/null go/kubectl --server "http://127.0.0.1:$(cat port)" "$@" > out 2> err || status=$?
    echo "$what: status $status, $(wc -c < err) bytes on standard error; standard output begins with: $(head -n 1 out)"
}
for form in json yaml; do
    tell "label there-, $form" label node worker1 there- -o "$form"
    tell "label gone-, $form" label node worker1 gone- -o "$form"
    tell "annotate gone-, $form" annotate node worker1 gone- -o "$form"
    tell "label gone- --local, $form" label --local -f node.json gone- -o "$form"
done | tee found
cat > expected << 'END'
label there-, json: status 0, 0 bytes on standard error; standard output begins with: {
label gone-, json: status 0, 0 bytes on standard error; standard output begins with: label "gone" not found.
annotate gone-, json: status 0, 0 bytes on standard error; standard output begins with: {
label gone- --local, json: status 0, 0 bytes on standard error; standard output begins with: {
label there-, yaml: status 0, 0 bytes on standard error; standard output begins with: apiVersion: v1
label gone-, yaml: status 0, 0 bytes on standard error; standard output begins with: label "gone" not found.
annotate gone-, yaml: status 0, 0 bytes on standard error; standard output begins with: apiVersion: v1
label gone- --local, yaml: status 0, 0 bytes on standard error; standard output begins with: apiVersion: v1
END
cmp found expected
