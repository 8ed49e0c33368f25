package spool

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/disktest"
)

// TestPowerLoss cuts the power of disks again and again, at any operation,
// while a spool is opened, written, released and closed, and opens it on what
// is left. Nothing acknowledged may be lost, nothing doubled or invented, and
// no loss may be taken for damage.
func TestPowerLoss(t *testing.T) {
	var all totals
	all.progress = disktest.NewProgress(t)
	t.Run("disks", func(t *testing.T) {
		for n, left := 0, *disktest.Losses; left > 0; n++ {
			losses := min(left, lossesPerDisk)
			left -= losses
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				newTrial(t, uint64(n), &all).lose(losses)
			})
		}
	})
	if t.Failed() {
		return
	}
	t.Logf("%d power losses, %d processes killed; %d records acknowledged, 0 lost, 0 doubled, 0 invented",
		all.Of("losses"), all.Of("kills"), all.Of("acknowledged"))
	t.Logf("the power failed during: %v", &all.phases)
	t.Logf("and just before these operations: %v", &all.operations)
	if *disktest.Losses < 1000 {
		return
	}
	for _, phase := range []string{"first open", "open again", "append", "write", "checkpoint", "release", "quarantine", "flush", "close", "rest"} {
		if all.phases.Of(phase) == 0 {
			t.Errorf("no power loss hit the phase %q", phase)
		}
	}
	for _, op := range []string{"create", "write", "sync", "sync directory", "rename", "remove", "make directory"} {
		if all.operations.Of(op) == 0 {
			t.Errorf("no power loss hit the operation %q", op)
		}
	}
}

const lossesPerDisk = 100

// totals are of all trials.
type totals struct {
	disktest.Counts // losses, kills, acknowledged
	phases          disktest.Counts
	operations      disktest.Counts
	progress        *disktest.Progress
}

// trial is the life of one disk: processes that own the spool on it, one after
// the other, and what the spool was given.
type trial struct {
	t    *testing.T
	rng  *rand.Rand
	all  *totals
	o    Options
	disk *disktest.Disk
	log  *Log
	book *book
	n    int    // records so far: makes each different
	now  string // what is being done
}

func newTrial(t *testing.T, seed uint64, all *totals) *trial {
	rng := rand.New(rand.NewPCG(seed, 1))
	o := Options{SegmentBytes: 200 + rng.Int64N(2000), salt: rng.Uint32}
	if rng.IntN(4) == 0 {
		o.Sync = Never
	}
	return &trial{t: t, rng: rng, all: all, o: o, disk: disktest.New(seed), book: newBook()}
}

// lose runs processes until the power has failed so many times.
func (r *trial) lose(losses int) {
	for loss := 0; loss < losses; {
		kill := r.rng.IntN(8) == 0
		in := 1 + r.rng.IntN(80)
		if r.rng.IntN(3) == 0 {
			in = 1 + r.rng.IntN(8)
		}
		if kill {
			r.disk.KillIn(in)
		} else {
			r.disk.CutIn(in)
		}
		if err := r.live(); err != nil && !errors.Is(err, disktest.ErrOff) {
			r.fatalf("after %d power losses: %v", loss, err)
		}
		r.disk = r.ended(kill)
		if !kill {
			loss++
		}
	}
	r.disk.CutIn(0)
	r.now = "open again"
	if err := r.open(); err != nil {
		r.fatalf("after all power losses: %v", err)
	}
	r.all.Add("acknowledged", r.book.acked)
}

// ended counts how the process ended and returns the disk of the next.
func (r *trial) ended(kill bool) *disktest.Disk {
	next := r.disk.After()
	if kill {
		r.all.Add("kills", 1)
		return next
	}
	op, _ := r.disk.Ended()
	r.all.Add("losses", 1)
	r.all.phases.Add(r.now, 1)
	r.all.operations.Add(disktest.What(op), 1)
	r.all.progress.Report(r.all.Of("losses"), *disktest.Losses, "power losses")
	return next
}

func (r *trial) fatalf(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("during %s: %s", r.now, fmt.Sprintf(format, args...))
}

// live is one process: it opens the spool, checks it, and works until the disk
// fails or it closes the spool.
func (r *trial) live() error {
	if err := r.open(); err != nil {
		return err
	}
	for {
		if err := r.step(); err != nil {
			return err
		}
		if r.rng.IntN(60) == 0 {
			r.now = "close"
			err := r.log.Close()
			if err == nil {
				r.book.promise(r.log)
				r.now = "rest"
			}
			return err
		}
	}
}

// open opens the spool and checks that it has what it must have.
func (r *trial) open() error {
	r.now = "open again"
	if r.book.next == 1 {
		r.now = "first open"
	}
	var m memory
	l, err := Open(r.disk, "a/spool", r.o, &m)
	if err != nil {
		return err
	}
	r.log = l
	r.disk.Calmly(func() { err = errors.Join(r.book.check(l, &m), r.book.checkSaved(r.disk, l)) })
	if err != nil {
		r.fatalf("what was opened is wrong: %v", err)
	}
	return nil
}

// step does one thing that owners of a spool do.
func (r *trial) step() error {
	if r.book.inForce.suspended {
		return r.changeSource()
	}
	switch n := r.rng.IntN(100); {
	case n < 55:
		return r.append()
	case n < 64:
		return r.write("write", nil, r.record(KindAck, r.book.inForce.source))
	case n < 76:
		recs := []Record{r.record(KindSeal, r.book.inForce.source)}
		if r.rng.IntN(2) == 0 {
			recs = append(recs, r.record(KindAck, 7), r.record(KindClose, 8))
		}
		return r.checkpoint(recs...)
	case n < 81:
		return r.changeSource()
	case n < 91:
		return r.release()
	case n < 94:
		return r.quarantine()
	case n < 97:
		return r.scan()
	}
	r.now = "flush"
	err := r.log.Flush()
	if err == nil {
		r.book.promise(r.log)
	}
	return err
}

// bytes are different each time, and at times longer than a disk's sector.
func (r *trial) bytes() []byte {
	r.n++
	b := fmt.Appendf(nil, "%d-", r.n)
	size := r.rng.IntN(120)
	if r.rng.IntN(20) == 0 {
		size = r.rng.IntN(3000)
	}
	for range size {
		b = append(b, byte(r.rng.Uint32N(4)))
	}
	return b
}

func (r *trial) record(k Kind, source uint32) Record {
	return Record{Kind: k, Source: source, Payload: append([]byte{'n'}, r.bytes()...)}
}

func (r *trial) append() error {
	r.now = "append"
	body := r.bytes()
	events := r.rng.Uint64N(1000)
	rec := Record{LSN: r.log.NextLSN(), Kind: KindPartials, Source: r.book.inForce.source, Payload: PayloadOf(body, events)}
	r.book.try(rec)
	if err := r.log.Append(body, events); err != nil {
		return err
	}
	r.book.done(r.log, rec)
	if r.o.Sync == Always && r.book.sure != r.log.NextLSN() {
		r.fatalf("record %d was acknowledged and not synced", rec.LSN)
	}
	r.book.acked++
	return nil
}

// write writes control records.
func (r *trial) write(what string, checkpoint []byte, recs ...Record) error {
	r.now = what
	for i := range recs {
		recs[i].LSN = r.log.NextLSN() + uint64(i)
		r.book.try(recs[i])
	}
	if err := r.log.Write(checkpoint, recs...); err != nil {
		return err
	}
	r.book.done(r.log, recs...)
	return nil
}

// checkpoint writes records with a checkpoint, which is the number of the last.
func (r *trial) checkpoint(recs ...Record) error {
	for i := range recs {
		recs[i].Payload[0] = 'c'
	}
	last := r.log.NextLSN() + uint64(len(recs)) - 1
	return r.write("checkpoint", (&memory{last: last}).Checkpoint(nil), recs...)
}

// changeSource puts another source in force, and at times drops the old one.
func (r *trial) changeSource() error {
	recs := []Record{r.record(KindSource, r.book.inForce.source+1)}
	if r.rng.IntN(2) == 0 {
		recs = append([]Record{r.record(KindDrop, r.book.inForce.source)}, recs...)
	}
	return r.checkpoint(recs...)
}

func (r *trial) release() error {
	r.now = "release"
	r.log.Take()
	r.book.released = max(r.book.released, 1+r.rng.Uint64N(r.log.NextLSN()))
	return r.log.Release(r.book.released)
}

// quarantine saves some records under a name that is used again at times.
func (r *trial) quarantine() error {
	r.now = "quarantine"
	name := fmt.Sprint("q", r.rng.IntN(3))
	var recs []Record
	for range r.rng.IntN(4) {
		recs = append(recs, r.record(KindPartials, 1))
	}
	delete(r.book.saved, name)
	err := r.log.Quarantine(name, "why", func(yield func(Record) error) error {
		for _, rec := range recs {
			if err := yield(rec); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		r.book.saved[name] = recs
	}
	return err
}

// scan reads back what is there.
func (r *trial) scan() error {
	r.now = "scan"
	var recs []Record
	err := r.log.Scan(r.book.released, r.log.NextLSN(), func(rec Record) bool {
		rec.Payload = bytes.Clone(rec.Payload)
		recs = append(recs, rec)
		return true
	})
	if err != nil {
		return err
	}
	if err := r.book.compare(recs, r.book.released); err != nil {
		r.fatalf("what was read back is wrong: %v", err)
	}
	return nil
}

// memory is the owner's: it takes what a spool holds when it is opened.
type memory struct {
	records []Record
	last    uint64 // the last record that was written with a checkpoint
}

// Replay implements Replayer.
func (m *memory) Replay(r Record) error {
	switch {
	case r.Kind == KindCheckpoint:
		last, err := strconv.ParseUint("0"+string(r.Payload), 10, 64)
		m.last = max(m.last, last)
		return err
	case r.Kind != KindPartials && r.Payload[0] == 'c':
		m.last = max(m.last, r.LSN)
	}
	r.Payload = bytes.Clone(r.Payload)
	m.records = append(m.records, r)
	return nil
}

// Checkpoint implements Replayer.
func (m *memory) Checkpoint(dst []byte) []byte {
	return fmt.Appendf(dst, "%s%d", strings.Repeat("0", int(m.last%50)), m.last)
}
