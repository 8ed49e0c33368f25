package pebblestore

import (
	"context"
	"fmt"
	"syscall"
)

// defaultMinFree is what the log and Pebble may need, with room to spare, to go on
// with what they have already taken.
const defaultMinFree = 64 << 20

// space reports, as syscall.ENOSPC, that the disk is nearly full. Pebble does
// not survive a full disk: so nothing is written to one, and the store takes
// writes again, without being opened anew, once there is space.
func (s *Store) space() error {
	if s.opts.MinFreeBytes < 0 {
		return nil
	}
	disk, err := s.opts.FS.GetDiskUsage(s.opts.Dir)
	if err != nil || disk.AvailBytes >= uint64(s.opts.MinFreeBytes) {
		return nil // a file system that does not tell is not the store's concern
	}
	return fmt.Errorf("the disk that holds %s has %d MiB left and %d MiB are kept free: %w",
		s.opts.Dir, disk.AvailBytes>>20, s.opts.MinFreeBytes>>20, syscall.ENOSPC)
}

// Writable implements store.Store.
func (s *Store) Writable(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.life.RUnlock()
	return s.space()
}
