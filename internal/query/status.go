package query

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tabaproject/taba/internal/pyjson"
)

// Figures of v1's queues. There are none here: nothing that was acknowledged
// ever waits outside the store.
const (
	queues = 0
	weight = 750.0 // the weight v1 gives to every server
)

// all returns the servers that share the store.
func (h *Handler) all() []Server {
	if h.o.Servers == nil {
		return []Server{{Name: h.o.Name, Roles: h.o.Roles}}
	}
	return h.o.Servers()
}

// status answers as v1, where the figures are about queues. Where servers share
// a store it tells more of each, and what was sent again.
func (h *Handler) status(o *out, _ *params) error {
	if o.json = o.accept().notText(); !o.json {
		o.text(statusTable(h.all()))
		if h.o.Servers != nil {
			c := h.cluster()
			o.text(c.text())
			o.notice(c.Sent.notice())
		}
		if h.o.Notice != nil {
			o.notice(h.o.Notice())
		}
		return nil
	}
	o.text(`{"total_tasks": 0.0, "max_age": 0, "servers": {`)
	for i, s := range h.all() {
		if i > 0 {
			o.text(", ")
		}
		o.buf = pyjson.AppendString(o.buf, s.Name)
		o.text(fmt.Sprintf(`: {"queues": %d, "tasks": 0, "age": 0, "load": 0.0, "weight": %.1f}`, queues, weight))
	}
	o.text("}")
	for _, f := range h.latencies() {
		o.text(`, "` + f.name + `": `)
		o.buf = pyjson.AppendFloat(o.buf, f.value)
	}
	if h.o.Servers != nil {
		body, err := json.Marshal(h.cluster())
		if err != nil {
			return err
		}
		o.text(`, "cluster": `)
		o.buf = append(o.buf, body...)
	}
	o.text("}")
	return nil
}

// statusTable is v1's.
func statusTable(servers []Server) string {
	width := 0
	for _, s := range servers {
		width = max(width, len(s.Name))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Servers: %d\nMax Age: %.2f s\nTasks:   %d\n\n", len(servers), 0.0, 0)
	fmt.Fprintf(&b, "%s | R. Ld |  Wgt |  Qs | Tsks |  Age\n", strings.Repeat(" ", width))
	for _, s := range servers {
		fmt.Fprintf(&b, "%*s | %+5d | %4d | %3d | %4d | %5.2f\n", width, s.Name, 0, int(weight), queues, 0, 0.0)
	}
	return b.String()
}

// notice adds a sentence, if there is one.
func (o *out) notice(s string) {
	if s != "" {
		o.text("\n" + s + "\n")
	}
}

func (h *Handler) latency(o *out, _ *params) error {
	figures := h.latencies()
	if o.json = o.accept().notText(); !o.json {
		// Sorted by name: the last comes first.
		for _, i := range []int{2, 0, 1} {
			o.text(figures[i].name + ": ")
			o.buf = pyjson.AppendFloat(o.buf, figures[i].value)
			o.text("\n")
		}
		return nil
	}
	separator := "{"
	for _, f := range figures {
		o.text(separator + `"` + f.name + `": `)
		o.buf = pyjson.AppendFloat(o.buf, f.value)
		separator = ", "
	}
	o.text("}")
	return nil
}

type figure struct {
	name  string
	value float64
}

// latencies are in seconds, in v1's order.
func (h *Handler) latencies() [3]figure {
	enqueue, processed := h.o.Latency()
	return [3]figure{
		{"enqueue_avg", enqueue},
		{"processed_avg", processed},
		{"cluster_aggregate", enqueue + processed},
	}
}

func (h *Handler) servers(o *out, _ *params) error {
	o.json = o.accept().notText()
	if o.json {
		o.text("{")
	}
	for i, s := range h.all() {
		if !o.json {
			o.text(s.Name + ": ['" + strings.Join(s.Roles, "', '") + "']\n")
			continue
		}
		if i > 0 {
			o.text(", ")
		}
		o.buf = pyjson.AppendString(o.buf, s.Name)
		o.text(": ")
		o.buf = appendStrings(o.buf, s.Roles)
	}
	if o.json {
		o.text("}")
	}
	return nil
}
