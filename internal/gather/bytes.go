package gather

import "io"

// Bytes are what one sender has sent: they are appended by Write, and read once
// from the beginning by Read, which gives blocks back as it leaves them; after it
// has reached the end nothing can be appended. The zero value holds nothing and
// cannot be written to.
type Bytes struct {
	of     *File
	blocks []uint32 // those not given back; the first holds the byte at start
	start  int64    // a multiple of blockSize
	at     int64    // what was read
	size   int64    // what was written
}

// New returns Bytes that are empty. They take nothing before they are written
// to. Close them when done.
func (f *File) New() Bytes { return Bytes{of: f} }

// Len returns how many bytes are left to be read.
func (b *Bytes) Len() int64 { return b.size - b.at }

// Write appends p. After an error only a part of it was.
func (b *Bytes) Write(p []byte) (n int, err error) {
	for n < len(p) {
		within := (b.size - b.start) % blockSize
		if (b.size-b.start)/blockSize == int64(len(b.blocks)) {
			block, err := b.of.take()
			if err != nil {
				return n, err
			}
			b.blocks = append(b.blocks, block)
		}
		block := b.blocks[(b.size-b.start)/blockSize]
		part := p[n:min(len(p), n+int(blockSize-within))]
		wrote, err := b.of.f.WriteAt(part, int64(block)*blockSize+within)
		n += wrote
		b.size += int64(wrote)
		b.of.written.Add(uint64(wrote))
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Read implements io.Reader.
func (b *Bytes) Read(p []byte) (int, error) {
	n, err := b.peek(p, b.at)
	b.at += int64(n)
	if b.at == b.size {
		b.release(len(b.blocks))
	} else {
		b.release(int((b.at - b.start) / blockSize))
	}
	return n, err
}

// release gives the first n blocks back.
func (b *Bytes) release(n int) {
	if n == 0 {
		return
	}
	b.of.free(b.blocks[:n])
	b.blocks = b.blocks[n:]
	b.start += int64(n) * blockSize
}

// peek reads from one block, at an offset that is not behind what was read.
func (b *Bytes) peek(p []byte, at int64) (int, error) {
	if at >= b.size {
		return 0, io.EOF
	}
	within := (at - b.start) % blockSize
	part := p[:min(int64(len(p)), blockSize-within, b.size-at)]
	block := b.blocks[(at-b.start)/blockSize]
	n, err := b.of.f.ReadAt(part, int64(block)*blockSize+within)
	if n == len(part) {
		err = nil
	}
	return n, err
}

// Close gives back what is held.
func (b *Bytes) Close() {
	b.release(len(b.blocks))
	*b = Bytes{}
}
