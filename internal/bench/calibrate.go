package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tabaproject/taba/internal/wait"
)

// Calibration is what the machine can do in the second in which a figure was
// measured. Machines are shared and drift: compare ratios to it, not times.
type Calibration struct {
	Multiply  float64 `json:"multiply_ns"`      // a dependent 64-bit multiplication
	Copy      float64 `json:"copy_gb_per_s"`    // of 1 MiB, resident in cache
	Chase     float64 `json:"pointer_chase_ns"` // a dependent load over 16 MiB
	Fdatasync float64 `json:"fdatasync_us"`     // overwriting 4 KiB durably, median
}

func (c Calibration) String() string {
	return fmt.Sprintf("multiply %.2f ns, copy %.1f GB/s, pointer chase %.0f ns, fdatasync %.0f us",
		c.Multiply, c.Copy, c.Chase, c.Fdatasync)
}

// Calibrate measures for a fraction of a second. dir is where the durable
// write goes: the file system that the store will use.
func Calibrate(ctx context.Context, dir string) (Calibration, error) {
	sync, err := Fdatasync(ctx, dir, 200, 0)
	return Calibration{Multiply: multiply(), Copy: copyRate(), Chase: chase(), Fdatasync: sync}, err
}

func multiply() float64 {
	const n = 20_000_000
	x := uint64(time.Now().UnixNano()) | 1
	start := time.Now()
	for range n {
		x *= 6364136223846793005
	}
	runtime.KeepAlive(x)
	return float64(time.Since(start).Nanoseconds()) / n
}

func copyRate() float64 {
	const size, n = 1 << 20, 2000
	src, dst := make([]byte, size), make([]byte, size)
	start := time.Now()
	for range n {
		copy(dst, src)
	}
	runtime.KeepAlive(dst)
	return size * n / float64(time.Since(start).Nanoseconds())
}

func chase() float64 {
	const n = 1 << 21 // x 8 bytes = 16 MiB
	next := make([]uint64, n)
	order := rand.Perm(n)
	for i, at := range order {
		next[at] = uint64(order[(i+1)%n])
	}
	const steps = 1_000_000
	at := uint64(0)
	start := time.Now()
	for range steps {
		at = next[at]
	}
	runtime.KeepAlive(at)
	return float64(time.Since(start).Nanoseconds()) / steps
}

// Fdatasync returns the median of n durable overwrites of 4 KiB below dir, in
// microseconds, with a pause before each: a disk and processors that were idle
// take longer than those that are kept awake.
func Fdatasync(ctx context.Context, dir string, n int, pause time.Duration) (float64, error) {
	path := filepath.Join(dir, "calibrate")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return 0, err
	}
	defer os.Remove(path)
	defer f.Close()
	block := make([]byte, 4096)
	if _, err := f.WriteAt(make([]byte, 1<<20), 0); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	var times []float64
	for i := range n {
		if err := wait.For(ctx, pause); err != nil {
			return 0, err
		}
		start := time.Now()
		if _, err := f.WriteAt(block, int64(i%256)*4096); err != nil {
			return 0, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		times = append(times, float64(time.Since(start).Nanoseconds())/1e3)
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}
