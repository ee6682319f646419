#!/bin/sh
# kubectl logs counts pieces, not lines. containerd writes an output line that is longer than 16 KiB (max_container_log_line_size) to the
# log as several lines, which it marks as partial; kubelet puts them together again when it prints them, and forgets about it when it
# looks for the place to begin. So `--tail=2` of a log that ends in a line of 40,006 characters and a short one is the last 7,238
# characters of the long one, and the short one: what logs one JSON object a line gets one that no parser reads. `--since-time` begins in
# the middle of a line in the same way, where the line was written slowly. And what the program says on its standard error while
# the rest of such a line is still to come stands in the middle of it, without a time of its own by `--timestamps`.
#
# Seen: with the logger of containerd 1.7.35 (that of 2.4.2 has the same text, in a package that cannot be imported) and the
# reader of k8s.io/cri-client v0.36.3, which kubelet 1.36 and crictl call. Needs Go 1.26 or later. Ends with 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

cat > main.go << 'END'
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	cri "github.com/containerd/containerd/pkg/cri/io"
	"k8s.io/cri-client/pkg/logs"
)

const maxLine = 16384 // what max_container_log_line_size is if nothing sets it

// container is what says something, and has it logged by containerd.
type container struct {
	log            *os.File
	stdout, stderr io.Writer
}

func start(name string) container {
	file, err := os.Create(name)
	if err != nil {
		panic(err)
	}
	stdout, _ := cri.NewCRILogger(name, file, cri.Stdout, maxLine)
	stderr, _ := cri.NewCRILogger(name, file, cri.Stderr, maxLine)
	return container{file, stdout, stderr}
}

// says writes to a stream, and waits until the log has so many lines.
func (c container) says(stream io.Writer, text string, lines int) {
	_, _ = io.WriteString(stream, text)
	for range 10000 {
		if written, _ := os.ReadFile(c.log.Name()); bytes.Count(written, []byte("\n")) == lines {
			return
		}
		time.Sleep(time.Millisecond)
	}
	panic("containerd has not logged it")
}

// show prints the lines that kubelet answers with, each long word as its ends and its length.
func (c container) show(what string, options logs.LogOptions) {
	var out bytes.Buffer
	if err := logs.ReadLogs(context.Background(), c.log.Name(), "", &options, nil, &out, &out); err != nil {
		panic(err)
	}
	fmt.Println(what)
	for _, line := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n") {
		words := strings.Fields(line)
		for number, word := range words {
			if _, err := time.Parse(time.RFC3339Nano, word); err == nil {
				words[number] = "TIME"
			} else if len(word) > 20 {
				words[number] = fmt.Sprintf("%s...%s (%d)", word[:8], word[len(word)-8:], len(word))
			}
		}
		fmt.Println("   ", strings.Join(words, " "))
	}
}

func main() {
	long := "{begin:" + strings.Repeat("x", 39994) + ":end}\n"

	c := start("long-and-short")
	c.says(c.stdout, long, 3)
	c.says(c.stdout, "short\n", 4)
	c.show("a long line and a short one", logs.LogOptions{})
	for _, count := range []int64{1, 2, 3, 4} {
		c.show(fmt.Sprintf("--tail=%d", count), logs.LogOptions{TailLines: &count})
	}

	c = start("slow")
	c.says(c.stdout, long[:24000], 1)
	c.says(c.stderr, "error\n", 2)
	between := time.Now()
	c.says(c.stdout, long[24000:], 4)
	c.show("--timestamps of a long line in two goes, with an error between them", logs.LogOptions{Timestamp: true})
	c.show("--since-time=BETWEEN", logs.LogOptions{Since: between})
}
END
{
    go mod init finding
    go get github.com/containerd/containerd@v1.7.35 k8s.io/cri-client@v0.36.3
    go mod tidy
    CGO_ENABLED=0 go build -trimpath -o tell .
} > go.log 2>&1 || {
    cat go.log
    exit 1
}
./tell | tee found
cat > expected << 'END'
a long line and a short one
    {begin:x...xxx:end} (40006)
    short
--tail=1
    short
--tail=2
    xxxxxxxx...xxx:end} (7238)
    short
--tail=3
    xxxxxxxx...xxx:end} (23622)
    short
--tail=4
    {begin:x...xxx:end} (40006)
    short
--timestamps of a long line in two goes, with an error between them
    TIME {begin:x...xxxerror (16389)
    TIME xxxxxxxx...xxx:end} (23622)
--since-time=BETWEEN
    xxxxxxxx...xxx:end} (23622)
END
cmp found expected
