//go:build !unix

package spool

import "github.com/cockroachdb/pebble/v2/vfs"

// restrict does nothing: the directory's own permissions decide here.
func restrict(vfs.File, uint32) error { return nil }
