package builtin

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// A sketch that is kept encoded is what its values make one by one, also after
// more of them, and after it was merged.
func TestPackedColumns(t *testing.T) {
	const limit = counterGroupExact
	prices := pricesOf(rand.New(rand.NewPCG(1, 2)), 3000)
	first, second := prices[:1500], prices[1500:]
	var d, want dist
	fold := func(values []float64) {
		d.addColumn(values, measured(values), limit)
		for _, v := range values {
			want.add(v, 1, limit)
		}
	}
	same := func(when string, d *dist) {
		t.Helper()
		if got, want := d.append(nil, limit), want.append(nil, limit); !bytes.Equal(got, want) {
			t.Errorf("%s it is\n%x, not\n%x", when, got, want)
		}
	}
	fold(first)
	if len(d.packed) == 0 || !d.sketch.pos.empty() {
		t.Fatal("the column is not kept encoded")
	}
	same("encoded", &d)
	var merged dist
	merged.merge(&d, limit)
	same("merged", &merged)
	d.reset()
	want.reset()
	fold(first)
	fold(second)
	same("with more", &d)
	d.reset()
	if d.append(nil, limit); len(d.packed) > 0 || d.sketched {
		t.Error("it is not empty after it was reset")
	}
	negative := append([]float64{-1}, first...)
	want.reset()
	fold(negative)
	if len(d.packed) > 0 {
		t.Error("a column with a negative value is kept encoded")
	}
	same("with a negative value", &d)
}
