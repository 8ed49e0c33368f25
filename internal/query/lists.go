package query

import (
	"strconv"

	"github.com/tabaproject/taba/internal/pyjson"
)

func (h *Handler) names(o *out, p *params) error {
	r, err := h.request(o, p)
	if err != nil {
		return err
	}
	names, err := h.o.View.Names(o.r.Context(), r)
	o.list(names)
	return err
}

func (h *Handler) clients(o *out, p *params) error {
	r, err := h.request(o, p)
	if err != nil {
		return err
	}
	clients, err := h.o.View.Clients(o.r.Context(), r)
	o.list(clients)
	return err
}

// list appends one per line, and an empty line if there is none, as v1 does.
func (o *out) list(list []string) {
	if o.json = o.accept().onlyJSON(); o.json {
		o.buf = appendStrings(o.buf, list)
		return
	}
	for i, s := range list {
		if i > 0 {
			o.text("\n")
		}
		o.text(s)
	}
	o.text("\n")
}

func (h *Handler) types(o *out, p *params) error {
	r, err := h.request(o, p)
	if err != nil {
		return err
	}
	types, err := h.o.View.Types(o.r.Context(), r)
	if err != nil {
		return err
	}
	o.json = o.accept().onlyJSON()
	if o.json {
		o.text("{")
	}
	for i, t := range types {
		switch {
		case !o.json:
			o.text(t.Name + ": " + t.Type + "\n")
			continue
		case i > 0:
			o.text(", ")
		}
		o.buf = pyjson.AppendString(o.buf, t.Name)
		o.text(": ")
		o.buf = pyjson.AppendString(o.buf, t.Type)
	}
	if o.json {
		o.text("}")
	}
	return nil
}

// ids numbers names and clients as v1's answer does. The numbers mean nothing
// between two answers.
func (h *Handler) ids(o *out, p *params) error {
	r, err := h.request(o, p)
	if err != nil {
		return err
	}
	names, err := h.o.View.Names(o.r.Context(), r)
	if err != nil {
		return err
	}
	clients, err := h.o.View.Clients(o.r.Context(), r)
	if err != nil {
		return err
	}
	if o.json = o.accept().onlyJSON(); o.json {
		o.text(`{"names": `)
		o.numbered(names)
		o.text(`, "clients": `)
		o.numbered(clients)
		o.text("}")
		return nil
	}
	o.text("Names:\n")
	o.numberedLines(names)
	o.text("Clients:\n")
	o.numberedLines(clients)
	return nil
}

func (o *out) numbered(list []string) {
	o.text("{")
	for i, s := range list {
		if i > 0 {
			o.text(", ")
		}
		o.buf = pyjson.AppendString(o.buf, s)
		o.text(": ")
		o.buf = strconv.AppendInt(o.buf, int64(i+1), 10)
	}
	o.text("}")
}

func (o *out) numberedLines(list []string) {
	for i, s := range list {
		o.text("  " + s + ": ")
		o.buf = strconv.AppendInt(o.buf, int64(i+1), 10)
		o.text("\n")
	}
}
