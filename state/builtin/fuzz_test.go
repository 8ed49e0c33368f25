package builtin_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// fuzzDecode decodes hostile bytes as States of h and uses what decodes.
func fuzzDecode(f *testing.F, h state.Handler) {
	for name, s := range goldenStates() {
		if typ := h.Type(); len(name) > len(typ) && name[:len(typ)+1] == typ+"-" && s.Size() < 4<<10 {
			f.Add(s.Append(nil))
		}
	}
	old, _ := filepath.Glob(filepath.Join("testdata", "golden", "*", h.Type()+"-*.bin"))
	for _, file := range old {
		if src, err := os.ReadFile(file); err == nil && len(src) < 4<<10 {
			f.Add(src)
		}
	}
	bundle := bundleOf(h.Type(), 3, t0)
	other := h.New()
	other.Fold(t0, bundle, nil)
	f.Fuzz(func(t *testing.T, src []byte) {
		s := h.New()
		if err := s.Decode(src); err != nil {
			if !bytes.Equal(s.Append(nil), h.New().Append(nil)) {
				t.Fatal("after an error, the State is not the zero State")
			}
			return
		}
		if most := 16<<10 + 128*len(src); s.Size() > most {
			t.Fatalf("%d bytes decode to a State of %d bytes, more than %d", len(src), s.Size(), most)
		}
		encoded := s.Append(nil)
		again := h.New()
		if err := again.Decode(encoded); err != nil {
			t.Fatalf("what decodes encodes to what does not: %v", err)
		}
		if !bytes.Equal(again.Append(nil), encoded) {
			t.Fatal("encoding is not the identity")
		}
		for _, format := range []state.Format{state.Text, state.Detailed} {
			s.Render(nil, t0, format)
		}
		s.Expired(t0)
		s.Merge(other)
		again.Fold(t0, bundle, nil)
		s.Merge(again)
		s.Clamp(t0 - 1)
		s.Render(nil, t0, state.Detailed)
		if err := again.Decode(s.Append(nil)); err != nil {
			t.Fatalf("after use, the State no longer decodes: %v", err)
		}
	})
}

func FuzzDecodeCounterGroup(f *testing.F)      { fuzzDecode(f, builtin.CounterGroup{}) }
func FuzzDecodePercentileGroup(f *testing.F)   { fuzzDecode(f, builtin.PercentileGroup{}) }
func FuzzDecodePercentileCounter(f *testing.F) { fuzzDecode(f, builtin.PercentileCounter{}) }
func FuzzDecodeTotalsCounter(f *testing.F)     { fuzzDecode(f, builtin.TotalsCounter{}) }
func FuzzDecodeGauge(f *testing.F)             { fuzzDecode(f, builtin.Gauge{}) }
func FuzzDecodeExpiryGauge(f *testing.F)       { fuzzDecode(f, builtin.ExpiryGauge{}) }
func FuzzDecodeBuffer(f *testing.F)            { fuzzDecode(f, builtin.Buffer{}) }
func FuzzDecodeUnique(f *testing.F)            { fuzzDecode(f, builtin.Unique{}) }

// FuzzPayload folds any payload into States of all Types: what they take they
// must be able to encode, decode and render.
func FuzzPayload(f *testing.F) {
	for _, p := range []string{"5", "-1.5e3", `"text \u00e9 \ud83d"`, `["v", 1395957900.5]`, `[{"b": [1, null], "a": "'"}, "never"]`, "true", "[[]]", "NaN", "é\xff"} {
		f.Add([]byte(p))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		b := &state.Bundle{Client: "client", Events: []state.Event{{Time: t0, JSON: payload}}}
		for _, h := range builtin.Handlers() {
			s := h.New()
			s.Fold(t0, b, func(int, state.Reason) {})
			got := h.New()
			if err := got.Decode(s.Append(nil)); err != nil {
				t.Fatalf("%s: %v", h.Type(), err)
			}
			want := s.Render(nil, t0, state.Text)
			if !bytes.Equal(got.Render(nil, t0, state.Text), want) {
				t.Fatalf("%s: decoded, it no longer renders %s", h.Type(), want)
			}
			if !jsonValid(want) {
				t.Fatalf("%s: %s is not JSON", h.Type(), want)
			}
		}
	})
}
