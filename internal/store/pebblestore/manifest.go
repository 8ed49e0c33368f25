package pebblestore

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Files of Pebble's, by name. It removes temporary ones when it opens.
const (
	manifestPrefix = "MANIFEST-"
	temporaryName  = "temporary.000000.dbtmp"
)

// secureManifests makes durable what Pebble is about to believe. Its manifest
// says which tables there are, and tables that are not in it are removed. The
// process before may have ended, or its disk failed, between writing the
// manifest and syncing it: then the end of it may be in the machine's memory
// only. Pebble makes a new manifest when it opens only if it has to write a
// table; with an empty log it would remove the tables that the manifest no longer lists,
// and a power loss would bring back a manifest that does: one power loss in 100,000
// of TestPowerLoss ended with a store that could not be opened. A sync may not help,
// as the system may take a page whose writing failed for written: so the
// manifests are copied.
func secureManifests(on vfs.FS, dir string) error {
	names, err := on.List(dir)
	if err != nil {
		return err
	}
	temporary := on.PathJoin(dir, temporaryName)
	for _, name := range names {
		if !strings.HasPrefix(name, manifestPrefix) {
			continue
		}
		name = on.PathJoin(dir, name)
		if err := vfs.Copy(on, name, temporary); err != nil { // synced
			return err
		}
		if err := on.Rename(temporary, name); err != nil {
			return err
		}
	}
	return syncDir(on, dir)
}
