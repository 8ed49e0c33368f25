package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const conformanceFile = "../../testdata/v2/conformance.json"

var updateConformance = flag.Bool("update-conformance", false, "write the conformance file anew: only for cases that were added")

// The conformance file, for clients in other languages: what Batches mean, in
// the order in which one stream sends them.
type conformance struct {
	About   string              `json:"about"`
	Streams []conformanceStream `json:"streams"`
	Replies []conformanceReply  `json:"replies"`
}

type conformanceStream struct {
	Name    string             `json:"name"`
	Batches []conformanceBatch `json:"batches"`
}

type conformanceBatch struct {
	Bytes   string              `json:"bytes"`
	Refused string              `json:"refused,omitempty"` // why, for people
	Bundles []conformanceBundle `json:"bundles,omitempty"`
}

type conformanceBundle struct {
	Tab     string              `json:"tab"`
	Type    string              `json:"type"`
	Client  string              `json:"client"`
	Values  [][3]float64        `json:"values,omitempty"` // second, value, weight
	Events  []conformanceEvent  `json:"events,omitempty"`
	Partial *conformancePartial `json:"partial,omitempty"`
}

type conformanceEvent struct {
	Time    float64 `json:"time"`
	Payload string  `json:"payload"`
	Weight  uint64  `json:"weight"`
}

type conformancePartial struct {
	Events uint64 `json:"events"`
	State  string `json:"state"`
}

type conformanceReply struct {
	Message string          `json:"message"`
	Bytes   string          `json:"bytes"`
	Means   json.RawMessage `json:"means"`
}

// meaning is what the conformance file says of a Batch.
func meaning(b refBatch) []conformanceBundle {
	var out []conformanceBundle
	for _, c := range b.Bundles {
		m := conformanceBundle{Tab: c.Series.Tab, Type: c.Series.Type, Client: c.Series.Client}
		for _, v := range c.Values {
			m.Values = append(m.Values, [3]float64{float64(v.Second), math.Float64frombits(v.Bits), float64(v.Weight)})
		}
		for _, r := range c.Raw {
			m.Events = append(m.Events, conformanceEvent{math.Float64frombits(r.Bits), r.Payload, max(r.Weight, 1)})
		}
		if c.Partial {
			m.Partial = &conformancePartial{c.Events, hex.EncodeToString([]byte(c.State))}
		}
		out = append(out, m)
	}
	return out
}

func TestConformance(t *testing.T) {
	if *updateConformance {
		writeConformance(t)
	}
	text, err := os.ReadFile(conformanceFile)
	if err != nil {
		t.Fatal(err)
	}
	var file conformance
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Streams) < 10 || len(file.Replies) < 3 {
		t.Fatalf("%d streams and %d replies: the file is not whole", len(file.Streams), len(file.Replies))
	}
	for _, s := range file.Streams {
		d := NewBatchDecoder(0)
		for i, b := range s.Batches {
			m := unhex(t, b.Bytes)
			forgot, err := d.Begin(m)
			if (err != nil) != (b.Refused != "") {
				t.Errorf("%s, batch %d: %v, want refused: %q", s.Name, i, err, b.Refused)
			}
			if err != nil {
				continue
			}
			if diff := cmp.Diff(b.Bundles, meaning(readColumns(d, forgot))); diff != "" {
				t.Errorf("%s, batch %d (-want +got):\n%s", s.Name, i, diff)
			}
		}
	}
	for _, r := range file.Replies {
		got, err := decodeReply(r.Message, unhex(t, r.Bytes))
		if err != nil {
			t.Errorf("%s %s: %v", r.Message, r.Bytes, err)
		}
		var want any
		if err := json.Unmarshal(r.Means, &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", r.Message, r.Bytes, diff)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decodeReply returns a reply as JSON has it.
func decodeReply(message string, m []byte) (out any, err error) {
	var v any
	switch message {
	case "BatchReply":
		var r BatchReply
		err, v = DecodeBatchReply(m, &r), &r
	default:
		var r StreamReply
		err, v = DecodeStreamReply(m, &r), &r
	}
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(text, &out)
	return protoNames(out), err
}

// protoNames renames the fields of a reply as taba.proto has them, and leaves
// out those that are not set.
func protoNames(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = protoNames(v[i])
		}
	case map[string]any:
		out := map[string]any{}
		for name, e := range v {
			if e != nil && e != 0.0 && e != "" {
				out[strings.ToLower(name)] = protoNames(e)
			}
		}
		return out
	}
	return v
}

// writeConformance writes the cases below, with what the reference makes of
// them.
func writeConformance(t *testing.T) {
	file := conformance{About: "Bytes of the Taba v2 protocol in hex and what they mean; docs/v2.md explains them. " +
		"The batches of a stream are read one after the other by one receiver; one that is refused changes nothing there. " +
		"Values are [second, value, weight]. A conforming encoder writes batches that read back as what was meant; it need not write these very bytes."}
	for _, c := range conformanceCases() {
		s := conformanceStream{Name: c.name}
		var tables refTables
		words := NewBatchDecoder(0) // for why a Batch is refused
		for _, m := range c.batches {
			b := conformanceBatch{Bytes: hex.EncodeToString(m)}
			_, why := words.Begin(m)
			got, err := refDecodeBatch(m, &tables, 512)
			if err != nil {
				b.Refused = fmt.Sprint(why)
			} else {
				b.Bundles = meaning(got)
			}
			s.Batches = append(s.Batches, b)
		}
		file.Streams = append(file.Streams, s)
	}
	refused := []Refused{{Reason: "payload", Events: 3, Tabs: []string{"a", "b"}}}
	for _, r := range []struct {
		message string
		bytes   []byte
	}{
		{"BatchReply", AppendBatchReply(nil, &BatchReply{Events: 5})},
		{"BatchReply", AppendBatchReply(nil, &BatchReply{Events: 300, Refused: refused})},
		{"StreamReply", AppendStreamReply(nil, &StreamReply{Acknowledged: 200, Events: 70000})},
		{"StreamReply", AppendStreamReply(nil, &StreamReply{Acknowledged: 3, Events: 1, Refused: refused,
			Frames: []FrameRefusal{{Frame: 2, Status: 400, Error: "batch: bundle 0: series 4 is not declared"}, {Frame: 3, Status: 409, Error: "forget"}}})},
		{"StreamReply", AppendStreamReply(nil, &StreamReply{Acknowledged: 3, Status: 503, Error: "the process is stopping"})},
	} {
		v, err := decodeReply(r.message, r.bytes)
		if err != nil {
			t.Fatal(err)
		}
		means, _ := json.Marshal(v)
		file.Replies = append(file.Replies, conformanceReply{r.message, hex.EncodeToString(r.bytes), means})
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conformanceFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

type conformanceCase struct {
	name    string
	batches [][]byte
}

func conformanceCases() []conformanceCase {
	const now = 1395954300
	build := func(f func(e *BatchEncoder)) []byte {
		var e BatchEncoder
		e.Begin(now)
		f(&e)
		return bytes.Clone(e.Bytes())
	}
	one := build(func(e *BatchEncoder) { e.Values(e.Series("won", "CounterGroup", "web-1"), now, []float64{1}) })
	var e BatchEncoder
	e.Begin(now)
	first := e.Series("won", "CounterGroup", "web-1")
	e.Values(first, now, []float64{1, 2.5})
	stream := [][]byte{bytes.Clone(e.Bytes())}
	e.Begin(now + 1)
	e.Values(first, now+1, []float64{3})
	e.Values(e.Series("won", "CounterGroup", "web-2"), now-10, []float64{-4})
	stream = append(stream, bytes.Clone(e.Bytes()))
	e.Forget()
	e.Begin(now + 2)
	e.Values(e.Series("lost", "TotalsCounter", "web-1"), now+2, []float64{5})
	stream = append(stream, bytes.Clone(e.Bytes()))
	bundle := func(m ...byte) []byte { // in a Batch with series 0, without a second
		var e BatchEncoder
		e.Series("a", "T", "c")
		return append(append(bytes.Clone(e.Bytes()), tagBundle, byte(len(m))), m...)
	}
	value := []byte{tagValues, 8, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f} // 1
	two := append([]byte{tagValues, 16}, append(bytes.Clone(value[2:]), value[2:]...)...)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	return []conformanceCase{
		{"nothing", [][]byte{nil}},
		{"one value", [][]byte{one}},
		{"names and series stay known on a stream, until they are forgotten", stream},
		{"a series that was forgotten", [][]byte{one, {tagForget, 1, tagBundle, 10, tagValues, 8, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}}},
		{"runs and weights", [][]byte{build(func(e *BatchEncoder) {
			e.Runs(e.Series("won", "PercentileGroup", "web-1"), []Run{{now - 1, 2}, {now, 1}, {now - 5, 1}}, []float64{0.1, -0.25, 1e300, 7}, []uint64{1, 1, 300, 1})
		})}},
		{"one run, away from the second of the batch, with its count", [][]byte{bundle(append([]byte{tagSeconds, 1, 9, tagCounts, 1, 2}, two...)...)}},
		{"one run, at the second of the batch, with its count", [][]byte{bundle(append([]byte{tagCounts, 1, 2}, two...)...)}},
		{"payloads that are no numbers", [][]byte{build(func(e *BatchEncoder) {
			e.Events(e.Series("version", "Gauge", "web-1"), []RawEvent{{now + 0.5, []byte(`"1.2"`), 0}, {now + 0.75, []byte(`["x", null]`), 2}})
		})}},
		{"values and events in one bundle", [][]byte{bundle(append(bytes.Clone(value), tagEvent, 3, tagPayload, 1, '7')...)}},
		{"a Partial", [][]byte{build(func(e *BatchEncoder) {
			e.Partial(e.Series("won", "TotalsCounter", "web-1"), 3, []byte{1, 3, 2, 0x40, 0x18, 0})
		})}},
		{"fields of a later version", [][]byte{join([]byte{0x78, 5}, bundle(append(bytes.Clone(value), 0x78, 5, 0x82, 1, 1, 'x')...), []byte{0xc0, 0x3e, 7})}},
		{"an empty bundle", [][]byte{bundle()}},
		{"no such series", [][]byte{bundle(append([]byte{tagBundleSeries, 1}, value...)...)}},
		{"no such name", [][]byte{{tagSeries, 0}}},
		{"half a value", [][]byte{bundle(tagValues, 4, 0, 0, 0, 0)}},
		{"two runs without counts", [][]byte{bundle(append([]byte{tagSeconds, 2, 0, 2}, two...)...)}},
		{"a run of no values", [][]byte{bundle(append([]byte{tagSeconds, 2, 0, 2, tagCounts, 2, 0, 2}, two...)...)}},
		{"more counts than values", [][]byte{bundle(append([]byte{tagCounts, 1, 3}, two...)...)}},
		{"a weight too few", [][]byte{bundle(append(bytes.Clone(two), tagWeights, 1, 1)...)}},
		{"a weight of 0", [][]byte{bundle(append(bytes.Clone(value), tagWeights, 1, 0)...)}},
		{"fields that are not in order", [][]byte{bundle(append(bytes.Clone(value), tagBundleSeries, 0)...)}},
		{"values that are not packed", [][]byte{bundle(tagValues&^7|1, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f)}},
		{"a second after a bundle", [][]byte{join(bundle(value...), []byte{tagSecond, 2})}},
		{"to forget after a name", [][]byte{{tagName, 1, 'a', tagForget, 1}}},
		{"parts beside events", [][]byte{join(bundle(value...), []byte{batchParts<<3 | delimited, 0})}},
		{"cut off", [][]byte{one[:len(one)-1]}},
	}
}
