//go:build tools

// Package lab names the programs that this module pins; `go build` is given their paths.
package lab

import (
	_ "gvisor.dev/gvisor/runsc"
	_ "gvisor.dev/gvisor/shim"
)
