#!/bin/sh
# RBAC can grant verbs on resources that no server serves: names of that kind are how admission policies (authorizer.group(...).resource(...)) and
# aggregated APIs have rights of their own. `kubectl auth can-i VERB RESOURCE.GROUP` cannot ask about them. What discovery does not know, it
# takes as the name of a resource, dot and all, in the core group, so the answer is "no" whatever the roles grant; a warning says
# that the server does not have the type, and not that another question was asked. A slash does not help, it makes the rest a name.
# A resource of the same group that is served is asked about as written.
#
# Seen: with k8s.io/kubectl v0.36.3, built from its module, against a server of 50 lines that serves widgets.example.com, grants
# everything in the group example.com, and writes down what it is asked. Needs Go 1.26 or later. Ends with 1 when it changes.
set -eu
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

mkdir -p go/kubectl go/server
cat > go/kubectl/main.go << 'END'
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
cat > go/server/main.go << 'END'
// An API server that serves one kind of a group, and lets everybody do anything in that group.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"

	authorization "k8s.io/api/authorization/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
)

func main() {
	asked, _ := os.OpenFile("asked", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	version := meta.GroupVersionForDiscovery{GroupVersion: "example.com/v1", Version: "v1"}
	widgets := meta.APIResource{Name: "widgets", SingularName: "widget", Namespaced: true, Kind: "Widget", Verbs: meta.Verbs{"get"}}
	group := meta.APIGroup{Name: "example.com", Versions: []meta.GroupVersionForDiscovery{version}, PreferredVersion: version}
	kind := func(name string) meta.TypeMeta { return meta.TypeMeta{Kind: name, APIVersion: "v1"} }
	answers := map[string]any{
		"/api":                 meta.APIVersions{TypeMeta: kind("APIVersions"), Versions: []string{"v1"}},
		"/api/v1":              meta.APIResourceList{TypeMeta: kind("APIResourceList"), GroupVersion: "v1"},
		"/apis":                meta.APIGroupList{TypeMeta: kind("APIGroupList"), Groups: []meta.APIGroup{group}},
		"/apis/example.com/v1": meta.APIResourceList{TypeMeta: kind("APIResourceList"), GroupVersion: "example.com/v1", APIResources: []meta.APIResource{widgets}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found, isThere := answers[r.URL.Path]
		if r.Method == http.MethodPost {
			body, _ := io.ReadAll(r.Body)
			object, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
			if err != nil {
				panic(err)
			}
			review := object.(*authorization.SelfSubjectAccessReview)
			what := review.Spec.ResourceAttributes
			fmt.Fprintf(asked, "    group %q, resource %q, name %q\n", what.Group, what.Resource, what.Name)
			review.TypeMeta = meta.TypeMeta{Kind: "SelfSubjectAccessReview", APIVersion: "authorization.k8s.io/v1"}
			review.Status.Allowed = what.Group == "example.com"
			found, isThere = review, true
		}
		w.Header().Set("Content-Type", "application/json")
		if !isThere {
			w.WriteHeader(http.StatusNotFound)
		}
		_ = json.NewEncoder(w).Encode(found)
	}))
	_ = os.WriteFile("address", []byte(server.URL), 0o600)
	select {}
}
END
(
    cd go
    go mod init finding
    go get k8s.io/kubectl@v0.36.3
    go mod tidy
    CGO_ENABLED=0 go build -o kubectl.bin ./kubectl
    CGO_ENABLED=0 go build -o server.bin ./server
) > go.log 2>&1 || {
    cat go.log
    exit 1
}
go/server.bin &
server=$!
until [ -s address ]; do sleep 0.1; done
ask() {
    : > asked
    printf '%s: ' "$*"
    HOME=$folder KUBECONFIG=/dev/null go/kubectl.bin --server "$(cat address)" auth can-i "$@" 2>> said || true
    cat asked
}
{
    ask use widgets.example.com
    ask use gadgets.example.com
    ask use gadgets.v1.example.com
    ask use example.com/gadgets
} | tee found
cat > expected << 'END'
use widgets.example.com: yes
    group "example.com", resource "widgets", name ""
use gadgets.example.com: no
    group "", resource "gadgets.example.com", name ""
use gadgets.v1.example.com: no
    group "", resource "gadgets.v1.example.com", name ""
use example.com/gadgets: no
    group "", resource "example.com", name "gadgets"
END
grep -qx "Warning: the server doesn't have a resource type 'gadgets' in group 'example.com'" said
cmp found expected
