// Command owntype shows a Type of one's own. A Type is one Handler: how events
// fold into a State, how States merge, how they are written and shown. Nothing
// else of Taba has to know it; statetest.Laws checks that it keeps the law
// (see the test beside this file).
//
//	go run ./examples/owntype
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/tabaproject/taba/state"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run registers the Type and does by hand what agents and servers do: fold
// what two clients recorded, carry it as bytes, merge, render.
func run(out io.Writer) error {
	reg, err := state.NewRegistry(Extremes{})
	if err != nil {
		return err
	}
	h, _ := reg.Lookup("Extremes")
	all := h.New()
	for client, values := range map[string][]float64{"web-1": {3, 1.5}, "web-2": {12, 4}} {
		arrived := h.New()
		if err := arrived.Decode(folded(h, client, values)); err != nil {
			return err
		}
		all.Merge(arrived)
	}
	_, err = fmt.Fprintf(out, "request_seconds: %s\n", all.Render(nil, 0, state.Text))
	return err
}

// folded is the encoded State of what one client recorded.
func folded(h state.Handler, client string, values []float64) []byte {
	b := &state.Bundle{Tab: "request_seconds", Client: client}
	for _, v := range values {
		b.Events = append(b.Events, state.Event{Value: v, Number: true})
	}
	s := h.New()
	s.Fold(0, b, func(event int, why state.Reason) { fmt.Fprintln(os.Stderr, client, event, why) })
	return s.Append(nil)
}
