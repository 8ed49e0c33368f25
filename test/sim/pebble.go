package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/tabaproject/taba/internal/store/pebblestore"
)

// openPebble starts the process that owns the store, with its servers.
func (w *World) openPebble(on *machine) {
	if w.disk != nil {
		w.tally[nDiskErrors] += w.disk.failures()
	}
	w.disk = newDisk(on, w.rng)
	w.disk.pebble = true
	w.bug.onDisk(w.disk, false)
	var err error
	w.engine, err = pebblestore.Open(pebblestore.Options{
		Dir: "store", FS: w.disk, VBuckets: w.mix.VBuckets, Now: func() time.Time { return birthday },
	})
	if err != nil {
		w.fail(fmt.Errorf("the store cannot be opened: %w", err))
		return
	}
	w.store = w.bug.onStore(w, w.engine)
	if w.faults { // else its goroutines may meet one before it is taken back
		w.disk.fail(w.mix.StoreDisk)
	}
}

// risePebble starts the store again if its process stopped or its disk failed.
func (w *World) risePebble() {
	if w.engine == nil {
		return
	}
	if w.disk.stopped() == nil {
		if w.disk.failures() == 0 {
			return
		}
		if _, err := w.engine.Heads(context.Background(), anID); err == nil {
			return
		}
		w.disk.end(false)
	}
	_ = w.engine.Shutdown()
	w.say("the store %s and starts again", w.stopped(w.disk.power))
	w.late = nil // they were in the process
	w.openPebble(w.disk.stopped())
	for i := range w.servers {
		w.servers[i] = w.startServer(w.servers[i].name)
	}
}
