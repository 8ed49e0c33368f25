package query

import (
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

// status answers as v1, where the figures are about queues.
func (h *Handler) status(o *out, _ *params) error {
	if o.json = o.accept().notText(); !o.json {
		o.text(fmt.Sprintf("Servers: 1\nMax Age: %.2f s\nTasks:   %d\n\n", 0.0, 0))
		o.text(strings.Repeat(" ", len(h.o.Name)) + " | R. Ld |  Wgt |  Qs | Tsks |  Age\n")
		o.text(fmt.Sprintf("%s | %+5d | %4d | %3d | %4d | %5.2f\n", h.o.Name, 0, int(weight), queues, 0, 0.0))
		if h.o.Notice != nil {
			if s := h.o.Notice(); s != "" {
				o.text("\n" + s + "\n")
			}
		}
		return nil
	}
	o.text(`{"total_tasks": 0.0, "max_age": 0, "servers": {`)
	o.buf = pyjson.AppendString(o.buf, h.o.Name)
	o.text(fmt.Sprintf(`: {"queues": %d, "tasks": 0, "age": 0, "load": 0.0, "weight": %.1f}}`, queues, weight))
	for _, f := range h.latencies() {
		o.text(`, "` + f.name + `": `)
		o.buf = pyjson.AppendFloat(o.buf, f.value)
	}
	o.text("}")
	return nil
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
	if o.json = o.accept().notText(); o.json {
		o.text("{")
		o.buf = pyjson.AppendString(o.buf, h.o.Name)
		o.text(": ")
		o.buf = appendStrings(o.buf, h.o.Roles)
		o.text("}")
		return nil
	}
	o.text(h.o.Name + ": [")
	for i, r := range h.o.Roles {
		if i > 0 {
			o.text(", ")
		}
		o.text("'" + r + "'")
	}
	o.text("]\n")
	return nil
}
