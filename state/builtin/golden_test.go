package builtin_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

var update = flag.Bool("update", false, "write the golden files that are missing")

// currentVersion is the version that Append of a Type writes.
func currentVersion(typ string) string {
	switch typ {
	case "CounterGroup", "PercentileGroup", "PercentileCounter":
		return "v2"
	}
	return "v1"
}

// goldenStates returns the States in the golden files, by name; callers must
// not change them. They stay what they are: add further ones instead, with a
// new version.
var goldenStates = sync.OnceValue(func() map[string]state.State {
	states := map[string]state.State{}
	for _, h := range builtin.Handlers() {
		typ := h.Type()
		states[typ+"-zero"] = h.New()

		one := h.New()
		one.Fold(t0, bundleOf(typ, 1, t0), nil)
		states[typ+"-one"] = one

		few := h.New()
		for i, payloads := range [][]string{{"5", `"x"`, "[2.5]"}, {"-1e3", "0", "1e-9"}, {`["v", 1395957900.5]`, `["w", "never"]`, `["u", null]`}} {
			b := &state.Bundle{Tab: "tab", Client: string(rune('a' + i))}
			for j, p := range payloads {
				b.Events = append(b.Events, state.Event{Time: t0 - float64(700*i+j), JSON: []byte(p), Weight: uint64(j)})
			}
			few.Fold(t0+float64(i), b, func(int, state.Reason) {})
		}
		states[typ+"-few"] = few

		if currentVersion(typ) == "v2" {
			decimals := h.New()
			b := &state.Bundle{}
			for i := range 60 {
				b.Events = append(b.Events, state.Event{Time: t0 - float64(i/7), Value: float64(i*i%1000) / 100, Number: true, Weight: uint64(i / 20)})
			}
			decimals.Fold(t0, b, nil)
			states[typ+"-decimals"] = decimals
		}

		many := busy(h)
		many.Clamp(t0 - 10)
		states[typ+"-day"] = many
	}
	return states
})

// Encodings of every version that was ever released decode for ever, to States
// that render what they rendered then. Of the current version, Append still
// writes the same bytes.
func TestGolden(t *testing.T) {
	dir := filepath.Join("testdata", "golden")
	if *update {
		writeGolden(t, dir)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.bin"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	states := goldenStates()
	seen := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".bin")
		typ, _, _ := strings.Cut(name, "-")
		h, ok := builtin.Registry().Lookup(typ)
		if !ok {
			t.Fatalf("%s: Type %q is not registered", file, typ)
		}
		src := readFile(t, file)
		s := h.New()
		if err := s.Decode(src); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		got := s.Render(nil, t0, state.Detailed)
		if want := readFile(t, strings.TrimSuffix(file, ".bin")+".json"); !bytes.Equal(got, want) {
			t.Errorf("%s renders\n%s\nwant\n%s", file, got, want)
		}
		if version := filepath.Base(filepath.Dir(file)); version != currentVersion(typ) {
			if !bytes.Equal(state.AppendAt(nil, s, levelOf(version)), src) {
				t.Errorf("%s: what it decodes to is written otherwise for those who read only that version", file)
			}
			continue
		}
		seen++
		if !bytes.Equal(s.Append(nil), src) {
			t.Errorf("%s: the encoding of what it decodes to differs", file)
		}
		if !bytes.Equal(states[name].Append(nil), src) {
			t.Errorf("%s: the same events no longer encode to the same bytes; that needs a new version", file)
		}
	}
	if seen != len(states) {
		t.Errorf("%d golden files of current versions, want %d", seen, len(states))
	}
}

// levelOf is the Level at which a version was the newest.
func levelOf(version string) state.Level { return state.Level(version[1] - '0') }

// writeGolden writes the files of current versions that are not there. A file
// is written once: what was released never changes.
func writeGolden(t *testing.T, all string) {
	t.Helper()
	for name, s := range goldenStates() {
		typ, _, _ := strings.Cut(name, "-")
		dir := filepath.Join(all, currentVersion(typ))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, name+".bin")); err == nil {
			continue
		}
		writeFile(t, filepath.Join(dir, name+".bin"), s.Append(nil))
		writeFile(t, filepath.Join(dir, name+".json"), s.Render(nil, t0, state.Detailed))
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
