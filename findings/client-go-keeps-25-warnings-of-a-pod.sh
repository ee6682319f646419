#!/bin/sh
# A component of Kubernetes that is built with client-go's event recorder (kubelet and most controllers) has 25 events of
# a type for each object, and one more every five minutes; what is beyond that is dropped without a word. A repetition costs one of them too,
# though it only raises a count. So a pod whose sandbox fails 40 times has no event of what goes wrong after that, nor of another
# reason: after a fault is mended, `kubectl describe` shows the old one, whatever keeps the pod now. And messages that
# differ (by the name of a sandbox, say) are ten events at most: from the tenth on there is one, whose message begins with
# "(combined from similar events): " and is replaced each time, so its count is of different faults, and its words are the last one's.
# Normal events and warnings are counted apart, and each pod for itself.
#
# Seen: with k8s.io/client-go v0.36.3, its recorder in front of a sink that notes what an API server would get. Needs Go 1.26 or
# later. Ends with 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

cat > main.go << 'END'
package main

import (
	"fmt"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/record"
)

// sink notes what an API server would get.
type sink struct{ got chan string }

func (s sink) note(what string, event *core.Event) (*core.Event, error) {
	s.got <- fmt.Sprintf("%s %s, count %d: %s", what, event.Reason, event.Count, event.Message)
	return event, nil
}

func (s sink) Create(event *core.Event) (*core.Event, error)          { return s.note("new", event) }
func (s sink) Update(event *core.Event) (*core.Event, error)          { return s.note("changed", event) }
func (s sink) Patch(event *core.Event, _ []byte) (*core.Event, error) { return s.note("changed", event) }

func main() {
	noted := sink{make(chan string, 1000)}
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(noted)
	recorder := broadcaster.NewRecorder(scheme.Scheme, core.EventSource{Component: "kubelet", Host: "worker1"})
	pod := func(name string) *core.ObjectReference {
		return &core.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "default", Name: name, UID: "1"}
	}
	// show prints how many of the events arrive, and the last one.
	show := func(what string, events int) {
		arrived, last := 0, "none"
		for wait := time.After(2 * time.Second); arrived < events; {
			select {
			case last = <-noted.got:
				arrived++
				continue
			case <-wait:
			}
			break
		}
		fmt.Printf("%s: %d of %d; the last one: %s\n", what, arrived, events, last)
	}
	fails := func(count int, why string) {
		for number := range count {
			recorder.Eventf(pod("one"), core.EventTypeWarning, "FailedCreatePodSandBox", "sandbox %d: %s", number, why)
		}
	}

	fails(9, "no runtime")
	show("no runtime", 9)
	fails(6, "no runtime")
	show("no runtime, again", 6)
	fails(1, "no memory")
	show("no memory", 1)
	fails(24, "no memory")
	show("no memory, again", 24)
	recorder.Event(pod("one"), core.EventTypeWarning, "FailedMount", "no volume")
	show("another reason", 1)
	recorder.Event(pod("one"), core.EventTypeNormal, "Pulled", "the image is there")
	show("another type", 1)
	recorder.Event(pod("two"), core.EventTypeWarning, "FailedMount", "no volume")
	show("another pod", 1)

	for range 30 {
		recorder.Event(pod("three"), core.EventTypeWarning, "Unhealthy", "no answer")
	}
	show("the same words", 30)
	recorder.Event(pod("three"), core.EventTypeWarning, "FailedKillPod", "no shim")
	show("another reason behind them", 1)
}
END
{
    go mod init finding
    go get k8s.io/client-go@v0.36.3 k8s.io/api@v0.36.3
    go mod tidy
    CGO_ENABLED=0 go build -trimpath -o tell .
} > go.log 2>&1 || {
    cat go.log
    exit 1
}
./tell | tee found
cat > expected << 'END'
no runtime: 9 of 9; the last one: new FailedCreatePodSandBox, count 1: sandbox 8: no runtime
no runtime, again: 6 of 6; the last one: changed FailedCreatePodSandBox, count 2: sandbox 5: no runtime
no memory: 1 of 1; the last one: new FailedCreatePodSandBox, count 1: (combined from similar events): sandbox 0: no memory
no memory, again: 9 of 24; the last one: changed FailedCreatePodSandBox, count 9: (combined from similar events): sandbox 8: no memory
another reason: 0 of 1; the last one: none
another type: 1 of 1; the last one: new Pulled, count 1: the image is there
another pod: 1 of 1; the last one: new FailedMount, count 1: no volume
the same words: 25 of 30; the last one: changed Unhealthy, count 25: no answer
another reason behind them: 0 of 1; the last one: none
END
cmp found expected
