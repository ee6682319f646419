//go:build tools

// Package lab names the program that this module pins; `go build` is given its path.
package lab

import _ "sigs.k8s.io/kwok/cmd/kwok"
