#!/bin/sh
# An admission policy of Kubernetes whose action is Warn says nothing where the API server has had much to say before it: all warnings of
# one answer together have 4096 characters. Behind them a warning is dropped; neither the client nor the caller of AddWarning learns
# that there was one more (the server's log has a line, without the warning). Policies come last, after the server's own warnings of the object, of which there are as many as it has
# faults (one for each pair of containers with the same port, say): so a pod with many harmless faults is created without
# the one warning that matters. Before that all warnings are cut to 256 characters each, also those that are in the answer already. A warning
# that is repeated is sent once, and takes no room again.
#
# Seen: with k8s.io/apiserver v0.36.3, its own filter in front of a handler that adds warnings, asked over HTTP, and read by the parser of
# k8s.io/apimachinery that kubectl uses. Needs Go 1.26 or later. Ends with 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

cat > main.go << 'END'
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/warning"
)

const policy = "policy: this pod must run in a sandbox"

// tell asks a server whose handler adds its own warnings, and that of a policy after them.
func tell(what string, own []string) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, text := range append(own, policy) {
			warning.AddWarning(r.Context(), "", text)
		}
		w.WriteHeader(http.StatusCreated)
	})
	server := httptest.NewServer(filters.WithWarningRecorder(handler))
	defer server.Close()
	answer, err := http.Get(server.URL)
	if err != nil {
		panic(err)
	}
	warnings, errs := utilnet.ParseWarningHeaders(answer.Header["Warning"])
	longest, has := 0, false
	for _, each := range warnings {
		longest = max(longest, len(each.Text))
		has = has || each.Text == policy
	}
	fmt.Printf("%s: %d, %d of %d warnings arrive, the longest has %d characters, errors %d, that of the policy is there: %t\n",
		what, answer.StatusCode, len(warnings), len(own)+1, longest, len(errs), has)
}

func lines(count, length int) []string {
	found := []string{}
	for number := 0; number < count; number++ {
		found = append(found, fmt.Sprintf("%0*d", length, number))
	}
	return found
}

func same(count, length int) []string {
	found := []string{}
	for number := 0; number < count; number++ {
		found = append(found, strings.Repeat("x", length))
	}
	return found
}

func main() {
	tell("30 of 80 characters", lines(30, 80))
	tell("60 of 80 characters", lines(60, 80))
	tell("8 of 600 characters", lines(8, 600))
	tell("60 times the same one", same(60, 80))
}
END
{
    go mod init finding
    go get k8s.io/apiserver@v0.36.3
    go mod tidy
    CGO_ENABLED=0 go build -o tell .
} > go.log 2>&1 || {
    cat go.log
    exit 1
}
./tell 2> log | tee found
cat > expected << 'END'
30 of 80 characters: 201, 31 of 31 warnings arrive, the longest has 80 characters, errors 0, that of the policy is there: true
60 of 80 characters: 201, 52 of 61 warnings arrive, the longest has 80 characters, errors 0, that of the policy is there: false
8 of 600 characters: 201, 9 of 9 warnings arrive, the longest has 256 characters, errors 0, that of the policy is there: true
60 times the same one: 201, 2 of 61 warnings arrive, the longest has 80 characters, errors 0, that of the policy is there: true
END
cmp found expected
