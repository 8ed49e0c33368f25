package pebblestore

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options of a Store. Only Dir is needed.
type Options struct {
	// Dir is the directory of the store. It is created, readable by its owner
	// only, if it is not there.
	Dir string
	// FS holds Dir; nil means the operating system's.
	FS vfs.FS
	// VBuckets is the number of vbuckets of a new store; 0 means 1. It cannot
	// change afterwards: opening a store made with another number is refused,
	// unless it is 0.
	VBuckets int
	// CacheBytes bounds the memory for blocks read from disk; 0 means 8 MiB.
	CacheBytes int64
	// MinFreeBytes is how much of the disk Append and Command leave free; 0
	// means 64 MiB, a negative number nothing.
	MinFreeBytes int64
	// Logger is told what went wrong, and at level debug what Pebble does; nil
	// means nobody is.
	Logger *slog.Logger
	// Now is the clock of a store's creation; nil means time.Now.
	Now func() time.Time

	memTable uint64 // size of a write buffer; 0 means 8 MiB
	segment  int64  // size of a segment of the log; 0 means 16 MiB
	logged   int    // size of the least body that stays in the log; 0 means 4 KiB
}

func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		return o, fmt.Errorf("open a store: no directory given")
	}
	if o.VBuckets < 0 || o.VBuckets > maxVBuckets {
		return o, fmt.Errorf("open a store: vbuckets is %d, must be from 1 to %d", o.VBuckets, maxVBuckets)
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 8 << 20
	}
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = defaultMinFree
	}
	if o.memTable == 0 {
		o.memTable = 8 << 20
	}
	if o.segment == 0 {
		o.segment = 16 << 20
	}
	if o.logged == 0 {
		o.logged = 4 << 10
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}

// pebble returns Pebble's own options, for a process that should stay small.
func (o Options) pebble(g *guard, lock *pebble.Lock) *pebble.Options {
	p := &pebble.Options{
		FS:                          g,
		Lock:                        lock,
		DisableWAL:                  true, // the commit log is ours
		CacheSize:                   o.CacheBytes,
		MemTableSize:                o.memTable,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		MaxOpenFiles:                256,
		// Released Pebbles read it since 2.1; a change needs a new format.
		FormatMajorVersion: pebble.FormatTableFormatV6,
		Logger:             logger{o.Logger, g},
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) {
				if g.failure() == nil { // else it was told
					o.Logger.Error("the store could not do its upkeep", "dir", o.Dir, "err", err)
				}
			},
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				o.Logger.Error("a file of the store is damaged", "file", i.Path, "err", i.Details)
			},
		},
	}
	for i := range p.Levels {
		// Encoded States hardly repeat: compressing and decompressing tables took a
		// quarter of a server's time.
		p.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		// New entries come after old ones but share tables with the rows of
		// Sources, which change all the time: in small tables little else is
		// written again with those. Doubling sizes cost three times as much.
		p.TargetFileSizes[i] = tableSize
	}
	return p
}

// tableSize is about how large tables are, on every level.
const tableSize = 4 << 20

// logger passes Pebble's own words on.
type logger struct {
	log *slog.Logger
	g   *guard
}

func (l logger) Infof(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug(fmt.Sprintf(format, args...))
	}
}

func (l logger) Errorf(format string, args ...any) {
	if l.g.failure() == nil {
		l.log.Error(fmt.Sprintf(format, args...))
	}
}

// Fatalf ends the store, not the process.
func (l logger) Fatalf(format string, args ...any) {
	l.g.cut(fmt.Errorf("pebble: "+format, args...))
}
