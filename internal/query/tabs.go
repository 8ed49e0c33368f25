package query

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"github.com/tabaproject/taba/internal/pyjson"
	"github.com/tabaproject/taba/internal/view"
)

func (h *Handler) tabs(o *out, p *params) error {
	r, err := h.request(o, p)
	if err != nil {
		return err
	}
	ctx := o.r.Context()
	if o.json = o.accept().json(); !o.json {
		return h.o.View.Tabs(ctx, r, func(row view.Row) error {
			o.text(row.Name)
			o.text(": ")
			return o.line(row.Render)
		})
	}
	separator := "{"
	err = h.o.View.Tabs(ctx, r, func(row view.Row) error {
		o.text(separator)
		separator = ","
		return o.member(row.Name, row.Render)
	})
	if separator == "{" {
		o.text("{")
	}
	o.text("}")
	return err
}

func (h *Handler) projection(o *out, p *params) error {
	r, err := h.request(o, p)
	if err != nil {
		return err
	}
	if o.json = o.accept().json(); o.json {
		return h.projectionJSON(o, r)
	}
	return h.o.View.Projection(o.r.Context(), r, func(row view.Row) error {
		o.text("(")
		o.text(row.Name)
		o.text(", ")
		o.text(row.Client)
		o.text("): ")
		return o.line(row.Render)
	})
}

// line appends a render that ends a line.
func (o *out) line(render []byte) error {
	o.buf = append(append(o.buf, render...), '\n')
	return o.spill()
}

// member appends a member of a JSON object.
func (o *out) member(name string, render []byte) error {
	o.buf = pyjson.AppendString(o.buf, name)
	o.text(": ")
	o.buf = append(o.buf, render...)
	return o.spill()
}

// projectionJSON groups by client what the View gives by tab. Renders are
// much smaller than States, so it is renders that are collected.
func (h *Handler) projectionJSON(o *out, r view.Request) error {
	var c collected
	err := h.o.View.Projection(o.r.Context(), r, func(row view.Row) error {
		if len(c.buf) > h.o.MaxAnswer {
			return &failure{http.StatusRequestEntityTooLarge, fmt.Sprintf(
				"The answer is larger than %d bytes: choose fewer tabs by name or client, or ask for text", h.o.MaxAnswer)}
		}
		c.add(row)
		return nil
	})
	if err != nil {
		return err
	}
	return c.write(o)
}

// collected holds rows in one buffer.
type collected struct {
	buf  []byte
	rows []collectedRow
}

type collectedRow struct {
	name, client string
	start, end   int
}

func (c *collected) add(row view.Row) {
	start := len(c.buf)
	c.buf = append(c.buf, row.Render...)
	c.rows = append(c.rows, collectedRow{name: row.Name, client: row.Client, start: start, end: len(c.buf)})
}

// write writes one object per client, with one member per tab.
func (c *collected) write(o *out) error {
	slices.SortStableFunc(c.rows, func(a, b collectedRow) int { return cmp.Compare(a.client, b.client) })
	o.text("{")
	for i, r := range c.rows {
		switch {
		case i == 0:
			o.buf = append(pyjson.AppendString(o.buf, r.client), ": {"...)
		case c.rows[i-1].client != r.client:
			o.text("},")
			o.buf = append(pyjson.AppendString(o.buf, r.client), ": {"...)
		default:
			o.text(",")
		}
		if err := o.member(r.name, c.buf[r.start:r.end]); err != nil {
			return err
		}
	}
	if len(c.rows) > 0 {
		o.text("}")
	}
	o.text("}")
	return nil
}

func (h *Handler) superTabs(o *out, p *params) error {
	r, err := h.request(o, p)
	if err != nil {
		return err
	}
	o.json = o.accept().json()
	o.buf, err = h.o.View.SuperTabs(o.r.Context(), r, o.buf)
	if !o.json {
		o.text("\n")
	}
	return err
}
