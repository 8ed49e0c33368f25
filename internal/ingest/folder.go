package ingest

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
)

// folder decodes v1 bodies and folds their events. It is used by one request
// at a time, and again by others.
type folder struct {
	folding
	dec  *wire.Decoder
	peak int // memory the decoder may hold

	tab    store.Tab // whose columns are being folded
	client string
	slot   fold.Slot // where they go; zero before the first
}

func newFolder(types TypeTable, o *Options) *folder {
	f := &folder{folding: newFolding(types, o), dec: wire.NewDecoder(nil, o.Limits.Text)}
	f.dec.Into(f)
	return f
}

// Columnar implements wire.ColumnSink.
func (f *folder) Columnar(client, tab, typ string) (before int64, ok bool) {
	if !within(f.alphabet, tab) || !within(f.alphabet, client) {
		return 0, false
	}
	if have, known := f.typeOf(tab); known {
		typ = have
	}
	f.tab, f.client, f.slot = store.Tab{Name: tab, Type: typ}, client, fold.Slot{}
	return int64(math.Floor(f.now + f.tolerance)), f.acc.Columnar(typ)
}

// Column implements wire.ColumnSink.
func (f *folder) Column(second int64, values []float64) {
	if f.slot.IsZero() {
		f.slot = f.acc.Slot(f.tab, f.client)
		_, known := f.typeOf(f.tab.Name)
		f.admit(f.tab, f.client, known)
	}
	f.acc.FoldColumn(f.slot, second, values)
	f.events += uint64(len(values))
	if f.viewers != nil {
		f.showColumn(&f.tab, f.client, second, values)
	}
}

// run folds body, received at now, into acc.
func (f *folder) run(body *inflated, acc *fold.Accumulator, now float64) (got received, err error) {
	f.begin(acc, now)
	f.dec.Reset(body)
	defer f.end()
	defer f.dec.Reset(nil)
	defer func() {
		if err != nil {
			f.claim.cancel(0)
		}
	}()
	defer func() { f.slot = fold.Slot{} }()
	for {
		b, err := f.dec.Next()
		if f.over != nil {
			return received{}, f.claim.q.refuse(f.over)
		}
		if err == io.EOF {
			f.copied = uint64(f.dec.Copied())
			return f.received(), nil
		}
		if err != nil {
			return received{}, undecoded(err)
		}
		for i := range b.Bad {
			if note := f.drop(b.Tab, b.Client, b.Type, b.Bad[i].Reason, 1); note != nil {
				note.Detail = fmt.Sprintf("line %d of the body: %s", b.Bad[i].Line, b.Bad[i].Detail)
			}
		}
		f.bundle(b.Type, &b.Bundle)
		if f.over != nil {
			return received{}, f.claim.q.refuse(f.over)
		}
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
		e := refuse(http.StatusRequestEntityTooLarge, reasonName, "%v", err)
		e.tab = limit.Name
		return e
	default:
		return refuse(http.StatusRequestEntityTooLarge, reasonLine, "%v", err)
	}
}
