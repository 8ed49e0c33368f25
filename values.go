package taba

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// values buffers events whose payload is not a number.
type values struct {
	mu         sync.Mutex
	round      uint64 // grows with every take
	items      []item
	recorded   uint64
	superseded uint64 // gauge values replaced before they were sent
}

// item is one event.
type item struct {
	s       *series
	at      int64 // microseconds since 1970
	payload []byte
}

const (
	// maxPayload is the longest payload, in bytes of JSON.
	maxPayload = 256 << 10
	// itemBytes is what an item costs beside its payload.
	itemBytes = 64
)

func (i *item) size() int64 { return itemBytes + int64(cap(i.payload)) }

// set records the value of a gauge, in place of one that waits to be sent.
func (s *series) set(v any, expiry *time.Time) {
	if s == nil {
		return
	}
	if s.bad {
		s.c.drop(DropInvalid, 1)
		return
	}
	payload, err := encode(v, expiry)
	if err != nil {
		s.c.invalid(s, err)
		return
	}
	s.c.put(s, payload, true)
}

// push records v beside what waits to be sent.
func (s *series) push(v any, expiry time.Time) {
	if s == nil {
		return
	}
	if s.bad {
		s.c.drop(DropInvalid, 1)
		return
	}
	payload, err := encode(v, &expiry)
	if err != nil {
		s.c.invalid(s, err)
		return
	}
	s.c.put(s, payload, false)
}

// put files a payload; if replace, in the place of the series' waiting one.
func (c *Client) put(s *series, payload []byte, replace bool) {
	now := time.Now().UnixMicro()
	vs := &c.values
	vs.mu.Lock()
	why := c.putLocked(s, item{s: s, at: max(now, s.last+1), payload: payload}, replace)
	vs.mu.Unlock()
	if why != "" {
		c.drop(why, 1)
	}
}

func (c *Client) putLocked(s *series, it item, replace bool) DropReason {
	vs := &c.values
	if c.tellTime() == clockClosed {
		return DropClosed
	}
	waiting := replace && s.round == vs.round && s.slot < len(vs.items) && vs.items[s.slot].s == s
	grow := it.size()
	if waiting {
		grow -= vs.items[s.slot].size()
	}
	if grow > 0 && !c.hold(grow) {
		return DropFull
	}
	if grow < 0 {
		c.used.Add(grow)
	}
	if waiting {
		vs.items[s.slot] = it
		vs.superseded++
	} else {
		s.round, s.slot = vs.round, len(vs.items)
		vs.items = append(vs.items, it)
	}
	s.last = it.at
	vs.recorded++
	return ""
}

// take moves every item to dst.
func (vs *values) take(dst []item) []item {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	dst = append(dst, vs.items...)
	vs.items = nil
	vs.round++
	return dst
}

func (vs *values) waiting() bool {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	return len(vs.items) > 0
}

func (vs *values) barrier() {
	vs.mu.Lock()
	//lint:ignore SA2001 whoever holds the lock is recording: there is nothing to do inside
	vs.mu.Unlock()
}

func (vs *values) counts() (recorded, superseded uint64) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	return vs.recorded, vs.superseded
}

// encode returns the JSON of v, or of [v, expiry].
func encode(v any, expiry *time.Time) (payload []byte, err error) {
	defer func() {
		if p := recover(); p != nil { // of a MarshalJSON method
			payload, err = nil, fmt.Errorf("its encoding panics: %v", p)
		}
	}()
	var b bytes.Buffer
	if expiry != nil {
		b.WriteByte('[')
	}
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	b.Truncate(b.Len() - 1) // Encode ends with a newline
	if expiry != nil {
		b.WriteString(", ")
		b.Write(strconv.AppendFloat(b.AvailableBuffer(), seconds(expiry.UnixMicro()), 'f', -1, 64))
		b.WriteByte(']')
	}
	if b.Len() > maxPayload {
		return nil, fmt.Errorf("it has %d bytes as JSON, the limit is %d", b.Len(), maxPayload)
	}
	return b.Bytes(), nil
}

func seconds(micros int64) float64 { return float64(micros) / 1e6 }
