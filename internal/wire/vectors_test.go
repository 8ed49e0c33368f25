package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/tabaproject/taba/internal/pyjson"
	"github.com/tabaproject/taba/internal/vectors"
)

// transportVectors is what transport.json holds: what the original's code
// encodes to and decodes from.
type transportVectors struct {
	Encode []struct {
		ID      string            `json:"id"`
		Clients []json.RawMessage `json:"clients"`
		Body    []byte            `json:"body_b64"`
	} `json:"encode"`
	Decode []struct {
		ID      string  `json:"id"`
		Body    []byte  `json:"body_b64"`
		Decoded decoded `json:"decoded"`
	} `json:"decode"`
}

type decoded struct {
	Bundles []struct {
		Client string               `json:"client"`
		Name   string               `json:"name"`
		Type   json.RawMessage      `json:"tab_type"`
		N      int                  `json:"n"`
		Events [][2]json.RawMessage `json:"events"`
		Error  string               `json:"error"`
	} `json:"bundles"`
	StreamError *string `json:"stream_error"`
}

func readVectors(t testing.TB, name string, to any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors.Dir(t), name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// differences returns what differs on purpose in transport.json, by id.
func differences(t *testing.T) map[string]vectors.Difference {
	t.Helper()
	all, err := vectors.LoadDifferences(vectors.Dir(t), "transport")
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]vectors.Difference{}
	for _, d := range all {
		byID[d.ID] = d
	}
	return byID
}

var specialFloat = regexp.MustCompile(`\{\s*"\$float":\s*"(NaN|-?Infinity)"\s*\}`)

// python is a value of the vectors as the original writes it.
func python(t *testing.T, v json.RawMessage) []byte {
	t.Helper()
	text, _, err := pyjson.Append(nil, specialFloat.ReplaceAll(v, []byte("$1")))
	if err != nil {
		t.Fatalf("%s: %v", v, err)
	}
	return text
}

// pair splits a JSON array of two.
func pair[A, B any](t *testing.T, m json.RawMessage, a A, b B) {
	t.Helper()
	if err := json.Unmarshal(m, &[2]any{a, b}); err != nil {
		t.Fatalf("%s: %v", m, err)
	}
}

func TestVectorsEncode(t *testing.T) {
	var v transportVectors
	readVectors(t, "transport.json", &v)
	differ := differences(t)
	for _, c := range v.Encode {
		want := c.Body
		if d, ok := differ[c.ID]; ok {
			if d.Check == "note" {
				continue
			}
			var text string
			if err := json.Unmarshal(d.Expect, &text); err != nil {
				t.Fatalf("%s: %v", c.ID, err)
			}
			want = []byte(text)
		}
		var e Encoder
		for _, client := range c.Clients {
			encodeClient(t, &e, client)
		}
		if got := e.Close(); !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", c.ID, got, want)
		}
	}
	if len(v.Encode) == 0 {
		t.Error("there are no vectors for the encoder")
	}
}

func encodeClient(t *testing.T, e *Encoder, client json.RawMessage) {
	var name string
	var tabs []json.RawMessage
	pair(t, client, &name, &tabs)
	if err := e.Client(latin1(name)); err != nil {
		t.Fatal(err)
	}
	for _, tab := range tabs {
		var events [][3]json.RawMessage
		pair(t, tab, &name, &events)
		if err := e.Tab(latin1(name)); err != nil {
			t.Fatal(err)
		}
		for _, event := range events {
			var typ string
			if err := json.Unmarshal(event[0], &typ); err != nil {
				t.Fatal(err)
			}
			e.EventText(typ, python(t, event[1]), python(t, event[2]))
		}
	}
}

// latin1 returns the bytes that s is a view of.
func latin1(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return s
		}
		b = append(b, byte(r))
	}
	return string(b)
}

func TestVectorsDecode(t *testing.T) {
	var v transportVectors
	readVectors(t, "transport.json", &v)
	differ := differences(t)
	for _, c := range v.Decode {
		want := c.Decoded
		if d, ok := differ[c.ID]; ok {
			if d.Check == "note" {
				continue
			}
			want = decoded{}
			if err := json.Unmarshal(d.Expect, &want); err != nil {
				t.Fatalf("%s: %v", c.ID, err)
			}
		}
		t.Run(c.ID, func(t *testing.T) { checkDecoded(t, c.Body, want) })
	}
	if len(v.Decode) == 0 {
		t.Error("there are no vectors for the decoder")
	}
}

func checkDecoded(t *testing.T, body []byte, want decoded) {
	d := NewDecoder(bytes.NewReader(body), Limits{})
	for _, w := range want.Bundles {
		if w.N == 0 {
			continue // an empty block is passed over
		}
		b, err := d.Next()
		if err != nil {
			t.Fatalf("got error %v, want a bundle of %s", err, w.Name)
		}
		if b.Client != latin1(w.Client) || b.Tab != latin1(w.Name) || len(b.Events)+len(b.Bad) != w.N {
			t.Fatalf("got %d good and %d bad events of %q, %q; want %d of %q, %q",
				len(b.Events), len(b.Bad), b.Client, b.Tab, w.N, w.Client, w.Name)
		}
		if w.Error != "" { // there the whole bundle is lost, here the bad ones
			if len(b.Bad) == 0 {
				t.Errorf("no event is bad, want %s", w.Error)
			}
			continue
		}
		checkEvents(t, b, w.Type, w.Events)
	}
	_, err := d.Next()
	var syntax *SyntaxError
	if want.StreamError == nil && err != io.EOF || want.StreamError != nil && !errors.As(err, &syntax) {
		t.Errorf("the body ends with %v, want stream error %v", err, want.StreamError)
	}
}

func checkEvents(t *testing.T, b *Bundle, typ json.RawMessage, events [][2]json.RawMessage) {
	var name string
	if json.Unmarshal(typ, &name) != nil || string(typ) == "null" {
		name = string(typ)
	}
	if b.Type != name || len(b.Bad) > 0 {
		t.Errorf("got Type %q and bad events %v, want Type %s and none", b.Type, b.Bad, typ)
	}
	for i, e := range events {
		time, payload := python(t, e[0]), python(t, e[1])
		got := b.Events[i]
		if float := string(pyjson.AppendFloat(nil, got.Time)); float != string(time) {
			t.Errorf("event %d: time %s, want %s", i, float, time)
		}
		// Compare floats as such: there are many ways to write one.
		text, kind, err := pyjson.AppendCanonical(nil, payload)
		if err != nil {
			t.Fatal(err)
		}
		if kind == pyjson.Float {
			if got, want := pyjson.AppendFloat(nil, got.Value), pyjson.AppendFloat(nil, parseNumber(text)); !bytes.Equal(got, want) {
				t.Errorf("event %d: value %s, want %s", i, got, want)
			}
			text = got.JSON
		}
		if !bytes.Equal(got.JSON, text) || got.Number != kind.IsNumber() {
			t.Errorf("event %d: payload %s (number: %v), want %s", i, got.JSON, got.Number, text)
		}
		if kind == pyjson.Int && got.Value != parseNumber(text) {
			t.Errorf("event %d: value %v of payload %s", i, got.Value, text)
		}
	}
}
