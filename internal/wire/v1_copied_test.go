package wire

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

// TestLinesAreHardlyCopied: what is moved is the beginning of a line at the end
// of a buffer, and what is there when the buffer grows.
func TestLinesAreHardlyCopied(t *testing.T) {
	body := []byte("1\n\nclient\n\ntab\n")
	for i := range 50_000 {
		body = fmt.Appendf(body, "[\"CounterGroup\", 1500000000.%02d, \"%d.5\"]\n", i%100, i%1000)
	}
	body = append(body, "\n\n"...)
	d := NewDecoder(bytes.NewReader(body), Limits{})
	for round := range 3 {
		d.Reset(bytes.NewReader(body))
		err := error(nil)
		for err == nil {
			_, err = d.Next()
		}
		if err != io.EOF {
			t.Fatal(err)
		}
		share := float64(d.Copied()) / float64(len(body))
		if share > 0.1 {
			t.Errorf("round %d: %.3f of the bytes were copied", round, share)
		}
		t.Logf("round %d: %.4f of %d bytes", round, share, len(body))
	}
}
