//go:build !linux

package gather

import (
	"errors"
	"time"
)

// poller is not to be had: there are no Rooms.
type poller struct{}

func newPoller() (*poller, error) { return nil, errors.ErrUnsupported }

func (*poller) add(int32) error    { return errors.ErrUnsupported }
func (*poller) remove(int32)       {}
func (*poller) wait() (int, error) { return 0, errors.ErrUnsupported }
func (*poller) ready(int) int32    { return 0 }
func (*poller) until(time.Time)    {}
func (*poller) wake()              {}
func (*poller) close() error       { return nil }

func receive(int32, []byte) (n int, arrived bool, err error) {
	return 0, false, errors.ErrUnsupported
}
