package sim

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// job is some lives, one after the other: of a mix, or of a bug until it is
// found.
type job struct {
	Bug   bool
	Which int // in mixes() or Bugs
	First uint64
	Seeds int
}

func (j job) trial() (Mix, *Bug) {
	if j.Bug {
		return Bugs[j.Which].Mix, &Bugs[j.Which]
	}
	return mixes()[j.Which], nil
}

// result is what came of a job.
type result struct {
	Job   job
	Tally Tally
	Bad   []bad
}

// bad is a seed that went wrong.
type bad struct {
	Seed uint64
	What string
}

// work does a job. While a life lasts crypto/rand is the seed's, so a process
// lives one life at a time.
func work(t *testing.T, j job) (r result) {
	r.Job = j
	t.Run("job", func(t *testing.T) {
		m, b := j.trial()
		for seed := j.First; seed < j.First+uint64(j.Seeds); seed++ {
			l := live(t, m, b, seed, false)
			r.Tally.Add(&l.Tally)
			if l.Err != nil {
				r.Bad = append(r.Bad, bad{seed, l.Err.Error()})
			}
			if l.Err != nil && j.Bug {
				return
			}
		}
	})
	return r
}

// spread does jobs and passes their results on, one at a time: in this process,
// or with -spread in one for each CPU. After an interrupt it begins no more and
// reports that.
func spread(t *testing.T, jobs iter.Seq[job], each func(result)) (interrupted bool) {
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if !*spreading {
		for j := range jobs {
			if ctx.Err() != nil {
				return true
			}
			each(work(t, j))
		}
		return false
	}
	todo, done := make(chan job), make(chan result)
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for more := true; more; {
				var err error
				if more, err = employ(todo, done); err != nil {
					t.Error(err)
					stop()
				}
			}
		})
	}
	go func() {
		defer close(done)
		defer wg.Wait()
		defer close(todo)
		for j := range jobs {
			select {
			case todo <- j:
			case <-ctx.Done():
				return
			}
		}
	}()
	for r := range done {
		each(r)
	}
	return ctx.Err() != nil
}

// hired tells a process that it works for another.
const hired = "TABA_SIM_WORKER"

// contract is how many jobs a process does. A Pebble whose power was cut is
// never closed, so its memory comes back only when the process ends.
const contract = 25

// employ lets a process of its own do jobs, as many as its contract says, and
// reports whether there may be more. One CPU and few collections of garbage make
// it fast.
func employ(todo <-chan job, done chan<- result) (more bool, err error) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestWorker$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), hired+"=1", "GOMAXPROCS=1", "GOGC=400", "GOTRACEBACK=all")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return false, err
	}
	back, out, err := os.Pipe()
	if err != nil {
		return false, err
	}
	defer back.Close()
	cmd.ExtraFiles = []*os.File{out}
	err = cmd.Start()
	out.Close()
	if err != nil {
		return false, err
	}
	enc, dec := json.NewEncoder(in), json.NewDecoder(back)
	for range contract {
		var j job
		if j, more = <-todo; !more {
			break
		}
		var r result
		err := enc.Encode(j)
		if err == nil {
			err = dec.Decode(&r)
		}
		if err != nil {
			return false, fmt.Errorf("a worker ended at %v: %v, %w", j, err, cmd.Wait())
		}
		done <- r
	}
	in.Close()
	return more, cmd.Wait()
}

// patience is how long a job may take; a life takes milliseconds.
const patience = 10 * time.Minute

// TestWorker is the other side of employ.
func TestWorker(t *testing.T) {
	if os.Getenv(hired) == "" {
		return
	}
	signal.Ignore(os.Interrupt) // it is for the employer, who then closes the input
	out := os.NewFile(3, "results")
	enc, dec := json.NewEncoder(out), json.NewDecoder(os.Stdin)
	for {
		var j job
		if err := dec.Decode(&j); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		hangs := time.AfterFunc(patience, func() { panic(fmt.Sprintf("hangs: %+v", j)) })
		r := work(t, j)
		hangs.Stop()
		if err := enc.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
}
