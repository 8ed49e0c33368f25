package statetest

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/tabaproject/taba/state"
	"pgregory.net/rapid"
)

// Laws checks the Handler h against every law of package state, each in a
// subtest of its own.
func Laws(t *testing.T, h state.Handler, gen Gen) {
	t.Helper()
	for _, l := range laws {
		if l.name == modelLaw && gen.Model == nil {
			continue
		}
		t.Run(l.name, rapid.MakeCheck(func(t *rapid.T) { l.check(t, h, gen) }))
	}
}

// A law is a property that every State must have.
type law struct {
	name  string
	check func(t *rapid.T, h state.Handler, gen Gen)
}

var laws = []law{
	{"grouping and order do not matter", groupingAndOrder},
	{"folding is merging a Partial", foldIsMerge},
	{"the zero State is the identity", zeroIsIdentity},
	{"refused events leave nothing", refusedLeaveNothing},
	{"the number of events is exact", numberOfEvents},
	{"Merge shares nothing with its source", mergeSharesNothing},
	{"an encoding decodes to the same State", encoding},
	{"no bytes make Decode panic", hostileBytes},
	{"Clamp moves the future once", clamp},
	{"Reset makes the zero State", reset},
	{"rendering changes nothing", rendering},
	{"what has expired stays expired", expiry},
	{"columns are events", columnsAreEvents},
	{"windows add up", windowsAddUp},
	{modelLaw, model},
}

// modelLaw is the law that only a Gen with a Model can be tested for.
const modelLaw = "the model agrees"

func groupingAndOrder(t *rapid.T, h state.Handler, gen Gen) {
	folds := gen.folds(t, 6)
	same(t, shuffled(t, h, folds), shuffled(t, h, folds))
}

func foldIsMerge(t *rapid.T, h state.Handler, gen Gen) {
	before, f := gen.folds(t, 4), gen.fold(t)
	folded, merged := sequence(h, before), sequence(h, before)
	foldInto(folded, f)
	p, _ := partial(h, f)
	merged.Merge(p)
	same(t, folded, merged)
}

func zeroIsIdentity(t *rapid.T, h state.Handler, gen Gen) {
	folds := gen.folds(t, 4)
	want := sequence(h, folds)

	left := h.New()
	left.Merge(want)
	same(t, left, want)

	right := sequence(h, folds)
	right.Merge(h.New())
	same(t, right, want)
}

func refusedLeaveNothing(t *rapid.T, h state.Handler, gen Gen) {
	f := gen.fold(t)
	with, without := h.New(), h.New()
	foldInto(without, accepted(with, f))
	same(t, with, without)
}

func numberOfEvents(t *rapid.T, h state.Handler, gen Gen) {
	s := h.New()
	if s.N() != 0 {
		t.Fatalf("the zero State holds %d events", s.N())
	}
	var want uint64
	for _, f := range gen.folds(t, 6) {
		p, n := partial(h, f)
		if p.N() != n {
			t.Fatalf("a Partial of %d events says it holds %d", n, p.N())
		}
		s.Merge(p)
		want += n
	}
	if s.N() != want {
		t.Fatalf("Partials of %d events were merged into a State that says it holds %d", want, s.N())
	}
}

func mergeSharesNothing(t *rapid.T, h state.Handler, gen Gen) {
	srcFolds := gen.folds(t, 4)
	src, dst := sequence(h, srcFolds), sequence(h, gen.folds(t, 2))
	wantSrc := encode(src)
	dst.Merge(src)
	equal(t, "the source after Merge", encode(src), wantSrc)

	wantDst := encode(dst)
	src.Merge(sequence(h, gen.folds(t, 2)))
	foldInto(src, gen.fold(t))
	src.Reset()
	foldInto(src, gen.fold(t))
	equal(t, "the target of Merge after its source was used again", encode(dst), wantDst)

	src = sequence(h, srcFolds)
	dst = h.New()
	dst.Merge(src)
	dst.Merge(sequence(h, gen.folds(t, 2)))
	foldInto(dst, gen.fold(t))
	equal(t, "the source of Merge after its target was used again", encode(src), wantSrc)
}

func encoding(t *rapid.T, h state.Handler, gen Gen) {
	s := sequence(h, gen.folds(t, 4))
	want := encode(s)
	equal(t, "a second encoding", encode(s), want)
	equal(t, "an encoding behind other bytes", s.Append([]byte("before")), append([]byte("before"), want...))
	if len(want) == 0 {
		t.Fatal("an encoding must begin with a version")
	}

	levels(t, h, s, want)
	src := slices.Clone(want)
	got := sequence(h, gen.folds(t, 2)) // Decode replaces what was there
	if err := got.Decode(src); err != nil {
		t.Fatalf("decode %x: %v", want, err)
	}
	for i := range src {
		src[i] ^= 0xa5 // Decode copies what it keeps
	}
	same(t, got, s)
	if got.N() != s.N() {
		t.Fatalf("decoded State holds %d events, want %d", got.N(), s.N())
	}
	at := drawTime(t, "at")
	for _, f := range []state.Format{state.Text, state.JSON, state.Detailed} {
		equal(t, "rendering of the decoded State", got.Render(nil, at, f), s.Render(nil, at, f))
	}
	if got.Expired(at) != s.Expired(at) {
		t.Fatalf("decoded State expired at %v: %v, want %v", at, got.Expired(at), s.Expired(at))
	}
	more := gen.fold(t)
	foldInto(got, more)
	foldInto(s, more)
	same(t, got, s)
}

// Memory per encoded byte that Decode may use, beside a fixed amount: what a
// sender of hostile bytes could make a server hold.
const (
	sizePerByte = 128
	sizeFixed   = 16 << 10
)

func hostileBytes(t *rapid.T, h state.Handler, gen Gen) {
	src := hostile(t, h, gen)
	s, used := h.New(), sequence(h, gen.folds(t, 2))
	err, errUsed := s.Decode(src), used.Decode(src)
	if (err == nil) != (errUsed == nil) {
		t.Fatalf("decode %x: a zero State says %v, another %v", src, err, errUsed)
	}
	same(t, used, s)
	if err != nil {
		same(t, s, h.New())
		return
	}
	if most := sizeFixed + sizePerByte*len(src); s.Size() > most {
		t.Fatalf("%d bytes decode to a State of %d bytes, more than %d", len(src), s.Size(), most)
	}
	// What decodes must work.
	again := h.New()
	if err := again.Decode(encode(s)); err != nil {
		t.Fatalf("%x decodes to a State whose encoding %x does not: %v", src, encode(s), err)
	}
	same(t, again, s)
	zero := h.New()
	zero.Merge(s)
	same(t, zero, s)
	foldInto(s, gen.fold(t))
	s.Merge(again)
	again.Merge(sequence(h, gen.folds(t, 2)))
	s.Expired(start)
	s.Render(nil, start, state.Text)
	s.Render(nil, start, state.Detailed)
	s.Clamp(start)
	s.Render(nil, start, state.Detailed)
	if err := again.Decode(encode(s)); err != nil {
		t.Fatalf("after use, a State that was decoded from %x encodes to %x, which does not decode: %v", src, encode(s), err)
	}
}

// levels requires of what is written for earlier releases that it is of their
// version, and the same State.
func levels(t *rapid.T, h state.Handler, s state.State, want []byte) {
	v, ok := h.(state.Versioned)
	if !ok {
		return
	}
	for l := state.Oldest; l <= state.Newest; l++ {
		enc := s.(state.Leveled).AppendAt([]byte("before"), l)[len("before"):]
		if enc[0] != v.Version(l) {
			t.Fatalf("at level %d version %d is written, not %d", l, enc[0], v.Version(l))
		}
		if state.Newer(h, enc, l) {
			t.Fatalf("what is written at level %d is newer than that", l)
		}
		got := h.New()
		if err := got.Decode(enc); err != nil {
			t.Fatalf("decode %x of level %d: %v", enc, l, err)
		}
		equal(t, "what was written at an earlier level, written anew", encode(got), want)
	}
}

// hostile draws bytes: random ones behind the version, or a damaged encoding.
func hostile(t *rapid.T, h state.Handler, gen Gen) []byte {
	if rapid.Bool().Draw(t, "random") {
		version := encode(h.New())[0]
		src := rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "bytes")
		return append([]byte{version}, src...)[rapid.IntRange(0, 1).Draw(t, "cut"):]
	}
	src := encode(sequence(h, gen.folds(t, 3)))
	for range rapid.IntRange(1, 4).Draw(t, "changes") {
		i := rapid.IntRange(0, max(0, len(src)-1)).Draw(t, "at")
		switch b := rapid.Byte().Draw(t, "byte"); rapid.IntRange(0, 4).Draw(t, "change") {
		case 0:
			src = src[:min(i, len(src))]
		case 1:
			src = slices.Insert(src, min(i, len(src)), b)
		case 2:
			src = append(src, src[min(i, len(src)):]...)
		default:
			if len(src) > 0 {
				src[i] ^= b
			}
		}
	}
	return src
}

func clamp(t *rapid.T, h state.Handler, gen Gen) {
	folds := gen.folds(t, 4)
	limit := drawTime(t, "limit")

	s := sequence(h, folds)
	before := encode(s)
	if moved := s.Clamp(start + 1e9); moved != 0 {
		t.Fatalf("Clamp to the far future moved %d events", moved)
	}
	equal(t, "the State after a Clamp to the far future", encode(s), before)

	n := s.N()
	if moved := s.Clamp(limit); moved > n {
		t.Fatalf("Clamp moved %d of %d events", moved, n)
	}
	if s.N() != n {
		t.Fatalf("Clamp left %d of %d events", s.N(), n)
	}
	once := encode(s)
	if moved := s.Clamp(limit); moved != 0 {
		t.Fatalf("a second Clamp moved %d events", moved)
	}
	equal(t, "the State after a second Clamp", encode(s), once)

	// Clamped Partials are Partials: they merge in any order.
	var forth, back = h.New(), h.New()
	for i := range folds {
		a, _ := partial(h, folds[i])
		a.Clamp(limit)
		forth.Merge(a)
		b, _ := partial(h, folds[len(folds)-1-i])
		b.Clamp(limit)
		back.Merge(b)
	}
	same(t, forth, back)
	if moved := forth.Clamp(limit); moved != 0 {
		t.Fatalf("merged from Partials clamped to %v, yet %d events lie later", limit, moved)
	}
}

func reset(t *rapid.T, h state.Handler, gen Gen) {
	s := sequence(h, gen.folds(t, 4))
	s.Reset()
	same(t, s, h.New())
	if s.N() != 0 {
		t.Fatalf("after Reset, the State holds %d events", s.N())
	}
	// The memory that Reset keeps must not show.
	folds := gen.folds(t, 4)
	for _, f := range folds {
		foldInto(s, f)
	}
	same(t, s, sequence(h, folds))
	if s.Size() < 0 {
		t.Fatalf("the size is %d", s.Size())
	}
}

func rendering(t *rapid.T, h state.Handler, gen Gen) {
	s := sequence(h, gen.folds(t, 4))
	want := encode(s)
	at := drawTime(t, "at")
	for _, f := range []state.Format{state.Text, state.JSON, state.Detailed} {
		first := s.Render(nil, at, f)
		if !json.Valid(first) {
			t.Fatalf("rendering is not JSON: %s", first)
		}
		equal(t, "a second rendering", s.Render(nil, at, f), first)
		equal(t, "a rendering behind other bytes", s.Render([]byte("x"), at, f), append([]byte("x"), first...))
		equal(t, "the State after rendering", encode(s), want)
	}
}

func expiry(t *rapid.T, h state.Handler, gen Gen) {
	s := sequence(h, gen.folds(t, 3))
	at, then := drawTime(t, "at"), drawTime(t, "then")
	at, then = min(at, then), max(at, then)
	if s.Expired(at) && !s.Expired(then) {
		t.Fatalf("expired at %v but not at %v", at, then)
	}
	if !h.New().Expired(at) {
		t.Fatal("the zero State deserves storage")
	}
}

func model(t *rapid.T, h state.Handler, gen Gen) {
	folds := gen.folds(t, 5)
	s := shuffled(t, h, folds)
	seen := make([]Fold, len(folds))
	for i, f := range folds {
		seen[i] = accepted(h.New(), f)
	}
	for range 3 {
		at := drawTime(t, "at") - rapid.SampledFrom([]float64{0, 0.5, 20}).Draw(t, "latency")
		got, want := string(s.Render(nil, at, state.Text)), gen.Model(seen, at)
		if got != want {
			t.Fatalf("rendering at %v:\n  got %s\nmodel %s", at, got, want)
		}
	}
}

func encode(s state.State) []byte { return s.Append(nil) }

// same fails unless a and b are the same State.
func same(t *rapid.T, a, b state.State) {
	t.Helper()
	ea, eb := encode(a), encode(b)
	if !bytes.Equal(ea, eb) {
		t.Fatalf("States differ:\n%x\n%s\nand\n%x\n%s", ea, text(a), eb, text(b))
	}
}

func text(s state.State) []byte { return s.Render(nil, math.Floor(start), state.Text) }

func equal(t *rapid.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("%s is\n%x\n%q, want\n%x\n%q", what, got, got, want, want)
	}
}
