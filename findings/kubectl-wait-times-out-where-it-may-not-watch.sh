#!/bin/sh
# kubectl wait: whoever may get and list pods and not watch them is refused at once by the server (403, "cannot watch resource"), and
# kubectl knows it: client-go's reflector has logged it. But the wait is tried again and again until its --timeout is over, and ends with
# "timed out waiting for the condition", as for a pod that is not Ready. The cause is in lines of a log on standard error alone, which a
# script that shows the last line, or leaves log lines out, never sees. `kubectl get --watch` of the same pod ends at once, and says why.
#
# Seen: with k8s.io/kubectl v0.36.3, built from its module, against a server of 40 lines. Needs Go 1.26 or later and Python 3.11. Ends
# with 1 when it changes.
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
"""An API server with one pod, which may be read and listed, and not watched."""

import http.server
import json

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default", "resourceVersion": "7"}}
RESOURCE = {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get", "list", "watch"]}
REFUSED = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "reason": "Forbidden",
    "code": 403,
    "message": 'pods is forbidden: User "reader" cannot watch resource "pods" in API group "" in the namespace "default"',
}
PODS = "/api/v1/namespaces/default/pods"
ANSWERS = {
    "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.3"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [RESOURCE]},
    PODS: {"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "7"}, "items": [POD]},
    f"{PODS}/web": POD,
}


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, _, query = self.path.partition("?")
        found = REFUSED if "watch=true" in query else ANSWERS[path]
        body = json.dumps(found).encode()
        self.send_response(found.get("code", 200))
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
    began=$(date +%s)
    code=0
    HOME=$folder KUBECONFIG=/dev/null go/kubectl --server "http://127.0.0.1:$(cat port)" "$@" > out 2> err || code=$?
    seconds=$(($(date +%s) - began))
    took="at once"
    [ "$seconds" -lt 4 ] || took="after its whole time"
    logged=$(grep -c '^E[0-9].*is forbidden' err) || true
    echo "$what: status $code $took; its last line: $(tail -n 1 err)"
    [ "$logged" = 0 ] || echo "  lines of its log that say why: some"
}
{
    tell "kubectl wait" wait pod/web --for=condition=Ready --timeout=6s
    tell "kubectl get --watch" get pod web --watch
} | tee found
cat > expected << 'END'
kubectl wait: status 1 after its whole time; its last line: error: timed out waiting for the condition on pods/web
  lines of its log that say why: some
kubectl get --watch: status 1 at once; its last line: Error from server (Forbidden): pods is forbidden: User "reader" cannot watch resource "pods" in API group "" in the namespace "default"
END
cmp found expected
