#!/bin/sh
# Kubernetes (apimachinery 0.34.2) never rounds the text of a quantity, and writes it with the largest suffix that
# leaves it whole. A binary fraction that is no whole number of bytes so becomes thousandths of a byte: 0.1Gi of memory is
# stored, and read back, as 107374182400m, though 1.5Gi is 1536Mi. `Value()` rounds up: 107374183 bytes. A sum of binary and
# decimal suffixes has neither: 1Gi + 1G is 2073741824. And 1E3 is a thousand, 1E is a million million million.
# So a program that compares the text that it has sent with the text that it reads sees a change that nobody has made.
#
# Seen: the lines in `expected` below. Needs Go 1.24 or later. Ends with 1 when any has changed.
set -eu
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

cat > main.go << 'END'
package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
)

func main() {
	for _, text := range []string{"1.5Gi", "0.1Gi", "4.7Gi", "0.5Ki", "1E", "1E3"} {
		quantity := resource.MustParse(text)
		fmt.Println(text, quantity.String(), quantity.Value())
	}
	sum := resource.MustParse("1Gi")
	sum.Add(resource.MustParse("1G"))
	fmt.Println("1Gi+1G", sum.String(), sum.Value())
}
END
(
    go mod init finding
    go get k8s.io/apimachinery@v0.34.2
    go mod tidy
    go build -o quantities .
) > go.log 2>&1 || {
    cat go.log
    exit 1
}
./quantities | tee found
cat > expected << 'END'
1.5Gi 1536Mi 1610612736
0.1Gi 107374182400m 107374183
4.7Gi 5046586572800m 5046586573
0.5Ki 512 512
1E 1E 1000000000000000000
1E3 1E3 1000
1Gi+1G 2073741824 2073741824
END
cmp found expected
