package ingest

import (
	"errors"
	"io"
	"net/http"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/wire"
)

// folder decodes v1 bodies and folds their events. It is used by one request
// at a time, and again by others.
type folder struct {
	folding
	dec  *wire.Decoder
	peak int // memory the decoder may hold
}

func newFolder(types TypeTable, o *Options) *folder {
	return &folder{folding: newFolding(types, o), dec: wire.NewDecoder(nil, o.Limits.Text)}
}

// run folds body, received at now, into acc.
func (f *folder) run(body *inflated, acc *fold.Accumulator, now float64) (received, error) {
	f.begin(acc, now)
	f.dec.Reset(body)
	defer f.end()
	defer f.dec.Reset(nil)
	for {
		b, err := f.dec.Next()
		if err == io.EOF {
			return f.received(), nil
		}
		if err != nil {
			return received{}, undecoded(err)
		}
		for i := range b.Bad {
			f.tally.add(b.Tab, b.Bad[i].Reason, 1)
		}
		f.bundle(b.Type, &b.Bundle)
		f.peak = max(f.peak, body.bundle(acc.Size()))
	}
}

// undecoded is the answer to a body that does not decode.
func undecoded(err error) error {
	var limit *wire.LimitError
	switch {
	case !errors.As(err, &limit):
		return err // a *wire.SyntaxError, or a refusal of the reader's
	case limit.Limit == "name":
		return refuse(http.StatusRequestEntityTooLarge, reasonName, "%v", err)
	default:
		return refuse(http.StatusRequestEntityTooLarge, reasonLine, "%v", err)
	}
}
