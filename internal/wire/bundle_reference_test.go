package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Batches of events decoded in the plainest way: every message as a list of
// fields, every list as a slice, nothing used again. The BatchDecoder is
// compared with it.

type refBatch struct {
	Forget   bool
	Bundles  []refColumns // and Partials, in order
	Declared []Series
	Events   uint64
}

type refColumns struct {
	Series  Series
	Values  []refWeighted
	Raw     []refRaw
	Partial bool
	Events  uint64
	State   string
}

type refWeighted struct {
	Second int64
	Bits   uint64 // of the float
	Weight uint64
}

type refRaw struct {
	Bits    uint64 // of the time
	Payload string
	Weight  uint64
}

// refTables is what a stream remembers.
type refTables struct {
	names  []string
	series []Series
}

// refFields splits a message. Fields up to last have to be in ascending order,
// of the given kinds; of later ones only the length matters.
func refFields(m []byte, last protowire.Number, kinds string, repeated ...protowire.Number) ([]field, error) {
	var out []field
	var before protowire.Number
	for len(m) > 0 {
		num, kind, n := protowire.ConsumeField(m)
		if n < 0 {
			return nil, errors.New("cut off")
		}
		_, _, head := protowire.ConsumeTag(m)
		f := field{num: num, kind: kind}
		again := false
		for _, r := range repeated {
			again = again || num == r
		}
		switch {
		case num < before || num == before && num <= last && !again:
			return nil, errors.New("order")
		case num > last:
			before = last + 1
		case head != 1 || map[byte]protowire.Type{'v': protowire.VarintType, 'f': protowire.Fixed64Type, 'b': protowire.BytesType}[kinds[num-1]] != kind:
			return nil, errors.New("kind")
		default:
			before = num
			switch kind {
			case protowire.VarintType:
				f.u, _ = protowire.ConsumeVarint(m[head:])
			case protowire.Fixed64Type:
				f.u, _ = protowire.ConsumeFixed64(m[head:])
			case protowire.BytesType:
				f.b, _ = protowire.ConsumeBytes(m[head:])
			}
			out = append(out, f)
		}
		m = m[n:]
	}
	return out, nil
}

func refVarints(b []byte) ([]uint64, error) {
	var out []uint64
	for len(b) > 0 {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return nil, errors.New("cut off")
		}
		out, b = append(out, v), b[n:]
	}
	return out, nil
}

// refDecodeBatch returns what a Batch says. It changes t only if all is well.
func refDecodeBatch(m []byte, t *refTables, maxName int) (out refBatch, err error) {
	now := *t
	var second int64
	begun := false // names, series or events were there
	for len(m) > 0 {
		num, kind, n := protowire.ConsumeField(m)
		if n < 0 {
			return out, errors.New("cut off")
		}
		_, _, head := protowire.ConsumeTag(m)
		value := m[head:n]
		m = m[n:]
		want, ours := map[protowire.Number]protowire.Type{
			5: protowire.VarintType, 6: protowire.BytesType, 7: protowire.BytesType, 8: protowire.VarintType, 9: protowire.BytesType, 10: protowire.BytesType,
		}[num]
		switch {
		case num <= 4 || ours && (kind != want || head != 1):
			return out, errors.New("kind")
		case num == 5:
			if v, _ := protowire.ConsumeVarint(value); v != 0 {
				if begun {
					return out, errors.New("late forget")
				}
				out.Forget, now = true, refTables{}
			}
		case num == 6:
			begun = true
			b, _ := protowire.ConsumeBytes(value)
			if len(b) > maxName {
				return out, errors.New("name")
			}
			now.names = append(now.names[:len(now.names):len(now.names)], string(b))
		case num == 7:
			begun = true
			b, _ := protowire.ConsumeBytes(value)
			s, err := refSeries(b, now.names)
			if err != nil {
				return out, err
			}
			now.series = append(now.series[:len(now.series):len(now.series)], s)
		case num == 8:
			if len(out.Bundles) > 0 && !out.onlyPartials() {
				return out, errors.New("late second")
			}
			v, _ := protowire.ConsumeVarint(value)
			if second = protowire.DecodeZigZag(v); second < -maxSecond || second > maxSecond {
				return out, errors.New("second")
			}
		case num == 9 || num == 10:
			begun = true
			b, _ := protowire.ConsumeBytes(value)
			decode := refBundleOf
			if num == 10 {
				decode = refPartialOf
			}
			c, err := decode(b, second, now.series)
			if err != nil {
				return out, err
			}
			out.Bundles = append(out.Bundles, c)
			if out.Events, err = refAdd(out.Events, c.Events); err != nil {
				return out, err
			}
		}
	}
	out.Declared, *t = now.series, now
	return out, nil
}

func (b *refBatch) onlyPartials() bool {
	for _, c := range b.Bundles {
		if !c.Partial {
			return false
		}
	}
	return true
}

func refAdd(a, b uint64) (uint64, error) {
	if b > MaxBatchEvents || a+b > MaxBatchEvents {
		return 0, errors.New("too many events")
	}
	return a + b, nil
}

func refSeries(m []byte, names []string) (s Series, err error) {
	fields, err := refFields(m, 3, "vvv")
	if err != nil {
		return s, err
	}
	var at [4]uint64
	for _, f := range fields {
		at[f.num] = f.u
	}
	for i, to := range []*string{&s.Tab, &s.Type, &s.Client} {
		if at[i+1] >= uint64(len(names)) {
			return s, errors.New("no such name")
		}
		*to = names[at[i+1]]
	}
	return s, nil
}

func refBundleOf(m []byte, second int64, series []Series) (c refColumns, err error) {
	fields, err := refFields(m, 6, "vbbbbb", 6)
	if err != nil {
		return c, err
	}
	var id uint64
	var lists [6][]uint64
	for _, f := range fields {
		switch f.num {
		case 1:
			id = f.u
		case 2, 3, 5:
			if lists[f.num], err = refVarints(f.b); err != nil {
				return c, err
			}
		case 4:
			if len(f.b)%8 != 0 {
				return c, errors.New("values")
			}
			for b := f.b; len(b) > 0; b = b[8:] {
				c.Values = append(c.Values, refWeighted{Bits: binary.LittleEndian.Uint64(b), Weight: 1})
			}
		case 6:
			e, err := refEventOf(f.b)
			if err != nil {
				return c, err
			}
			c.Raw = append(c.Raw, e)
			if c.Events, err = refAdd(c.Events, max(e.Weight, 1)); err != nil {
				return c, err
			}
		}
	}
	if id >= uint64(len(series)) {
		return c, errors.New("no such series")
	}
	c.Series = series[id]
	if err := c.spread(second, lists[2], lists[3]); err != nil {
		return c, err
	}
	return c, c.weigh(lists[5])
}

// spread gives the values their seconds.
func (c *refColumns) spread(second int64, seconds, counts []uint64) error {
	if len(counts) == 0 {
		if len(seconds) > 1 || len(seconds) == 1 && len(c.Values) == 0 {
			return errors.New("no counts")
		}
		counts = []uint64{uint64(len(c.Values))}
	} else if len(c.Values) == 0 {
		return errors.New("counts of nothing")
	}
	if len(seconds) == 0 {
		seconds = []uint64{0}
	}
	if len(seconds) != len(counts) {
		return errors.New("runs")
	}
	rest := c.Values
	for i, n := range counts {
		delta := protowire.DecodeZigZag(seconds[i])
		if delta < -2*maxSecond || delta > 2*maxSecond || second+delta < -maxSecond || second+delta > maxSecond {
			return errors.New("second")
		}
		second += delta
		if n > uint64(len(rest)) || n == 0 && len(c.Values) > 0 {
			return errors.New("count")
		}
		for j := range n {
			rest[j].Second = second
		}
		rest = rest[n:]
	}
	if len(rest) > 0 {
		return errors.New("counts")
	}
	return nil
}

func (c *refColumns) weigh(weights []uint64) (err error) {
	if len(weights) > 0 && len(weights) != len(c.Values) {
		return errors.New("weights")
	}
	for i := range c.Values {
		if len(weights) > 0 {
			c.Values[i].Weight = weights[i]
		}
		if c.Values[i].Weight == 0 {
			return errors.New("weight")
		}
		if c.Events, err = refAdd(c.Events, c.Values[i].Weight); err != nil {
			return err
		}
	}
	return nil
}

func refEventOf(m []byte) (e refRaw, err error) {
	fields, err := refFields(m, 3, "fbv")
	for _, f := range fields {
		switch f.num {
		case 1:
			e.Bits = f.u
		case 2:
			e.Payload = string(f.b)
		case 3:
			e.Weight = f.u
		}
	}
	return e, err
}

func refPartialOf(m []byte, _ int64, series []Series) (c refColumns, err error) {
	fields, err := refFields(m, 3, "vvb")
	var id uint64
	for _, f := range fields {
		switch f.num {
		case 1:
			id = f.u
		case 2:
			c.Events = f.u
		case 3:
			c.State = string(f.b)
		}
	}
	if err == nil && id >= uint64(len(series)) {
		err = errors.New("no such series")
	}
	if err == nil {
		c.Series, c.Partial = series[id], true
	}
	return c, err
}

// String is the Batch for people, and for the conformance file.
func (c refColumns) String() string {
	s := fmt.Sprintf("%s %s %s:", c.Series.Tab, c.Series.Type, c.Series.Client)
	if c.Partial {
		return s + fmt.Sprintf(" partial of %d: %x", c.Events, c.State)
	}
	for _, v := range c.Values {
		s += fmt.Sprintf(" %d=%v", v.Second, math.Float64frombits(v.Bits)) + weight(v.Weight)
	}
	for _, r := range c.Raw {
		s += fmt.Sprintf(" %v=%s", math.Float64frombits(r.Bits), r.Payload) + weight(max(r.Weight, 1))
	}
	return s
}

func weight(w uint64) string {
	if w == 1 {
		return ""
	}
	return fmt.Sprintf("*%d", w)
}
