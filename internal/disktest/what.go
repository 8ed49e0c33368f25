package disktest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

var kinds = map[errorfs.OpKind]string{
	-1:                        "nothing",
	errorfs.OpCreate:          "create",
	errorfs.OpLink:            "link",
	errorfs.OpOpen:            "open",
	errorfs.OpOpenDir:         "open",
	errorfs.OpRemove:          "remove",
	errorfs.OpRemoveAll:       "remove",
	errorfs.OpRename:          "rename",
	errorfs.OpReuseForWrite:   "reuse",
	errorfs.OpMkdirAll:        "make directory",
	errorfs.OpLock:            "lock",
	errorfs.OpList:            "list",
	errorfs.OpStat:            "stat",
	errorfs.OpFileClose:       "close",
	errorfs.OpFileRead:        "read",
	errorfs.OpFileReadAt:      "read",
	errorfs.OpFileWrite:       "write",
	errorfs.OpFileWriteAt:     "write",
	errorfs.OpFileStat:        "stat",
	errorfs.OpFileSync:        "sync",
	errorfs.OpFileSyncData:    "sync",
	errorfs.OpFileSyncTo:      "begin to sync",
	errorfs.OpFilePreallocate: "preallocate",
}

// What says in words what kind of operation op is. Directories are told from
// files by their names, which have no dot; so are locks.
func What(op errorfs.Op) string {
	what := kinds[op.Kind]
	if what == "sync" && !strings.Contains(op.Path, ".") {
		return "sync directory"
	}
	return what
}

// Counts counts things by name. The zero value is ready; it is safe for
// concurrent use.
type Counts struct {
	mu sync.Mutex
	of map[string]int
}

// Add counts n more.
func (c *Counts) Add(name string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[name] += n
}

// Of is the count of a name.
func (c *Counts) Of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[name]
}

// String lists all counts, in the order of names.
func (c *Counts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, name := range slices.Sorted(maps.Keys(c.of)) {
		list = append(list, fmt.Sprintf("%s %d", name, c.of[name]))
	}
	return strings.Join(list, ", ")
}
