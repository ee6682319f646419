//go:build tools

// Package lab names the programs that this module pins; `go build` is given their paths.
package lab

import (
	_ "github.com/google/go-containerregistry/cmd/registry"
)
