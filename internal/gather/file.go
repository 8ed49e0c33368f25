package gather

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"
)

// ErrFull is returned when a File holds as much as it may.
var ErrFull = errors.New("the file for what slow senders have sent is full")

// blockSize is the unit in which a File is given out: half of it is lost for
// each sender, on average.
const blockSize = 32 << 10

// File holds the bytes of many senders on disk, in one file that has no name:
// when the process ends, however it ends, nothing of it stays. Blocks that were
// given back are used again, lowest first, and the file is cut when half of it
// or more is not in use.
type File struct {
	dir string
	max int64 // blocks

	mu     sync.Mutex
	f      *os.File // nil until the first block is taken
	used   []uint64 // a bit for each block
	lowest int      // no word of used before it has room
	held   int64    // blocks in use
	top    int64    // all blocks from here on are free
	length int64    // of the file, in blocks
	closed bool

	written atomic.Uint64 // bytes
}

// NewFile returns a File in dir that holds at most max bytes. The file itself
// is made when it is first needed.
func NewFile(dir string, max int64) *File {
	return &File{dir: dir, max: max / blockSize}
}

// Held returns how many bytes of the file are in use.
func (f *File) Held() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held * blockSize
}

// Max returns how many may be.
func (f *File) Max() int64 { return f.max * blockSize }

// Written returns how many bytes were ever written.
func (f *File) Written() uint64 { return f.written.Load() }

// Close gives the disk back. It is called when nobody holds Bytes any more.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.f == nil {
		return nil
	}
	return f.f.Close()
}

// take returns a free block.
func (f *File) take() (uint32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held >= f.max {
		return 0, ErrFull
	}
	if err := f.open(); err != nil {
		return 0, err
	}
	for f.lowest < len(f.used) && f.used[f.lowest] == ^uint64(0) {
		f.lowest++
	}
	if f.lowest == len(f.used) {
		f.used = append(f.used, 0)
	}
	bit := bits.TrailingZeros64(^f.used[f.lowest])
	f.used[f.lowest] |= 1 << bit
	block := int64(f.lowest*64 + bit)
	f.held++
	f.top = max(f.top, block+1)
	f.length = max(f.length, f.top)
	return uint32(block), nil
}

// open makes the file, unless there is one.
func (f *File) open() error {
	switch {
	case f.closed:
		return os.ErrClosed
	case f.f != nil:
		return nil
	}
	file, err := os.CreateTemp(f.dir, "gather-")
	if err != nil {
		return fmt.Errorf("make a file for what slow senders have sent: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		_ = file.Close()
		return fmt.Errorf("take its name from the file for what slow senders have sent: %w", err)
	}
	f.f = file
	return nil
}

// free takes blocks back.
func (f *File) free(blocks []uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range blocks {
		f.used[b/64] &^= 1 << (b % 64)
		f.lowest = min(f.lowest, int(b/64))
	}
	f.held -= int64(len(blocks))
	for f.top > 0 && f.used[(f.top-1)/64]&(1<<((f.top-1)%64)) == 0 {
		f.top--
	}
	if f.top*2 <= f.length && f.length > 0 {
		f.used = f.used[:(f.top+63)/64]
		f.lowest = min(f.lowest, len(f.used))
		f.length = f.top
		_ = f.f.Truncate(f.length * blockSize) // what it holds too much is used again
	}
}
