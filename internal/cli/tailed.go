package cli

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Tailed is events that were shown, of those that matched.
type Tailed struct {
	Matched, Shown uint64
	Events         []TailedEvent
}

// TailedEvent is one of them.
type TailedEvent struct {
	Time                    float64
	Tab, Type, Client, Door string
	Value                   json.RawMessage
	Weight                  uint64
}

// Tail asks for events as they come and calls show with them, until ctx ends or
// show fails.
func (c *Client) Tail(ctx context.Context, match string, rate int, show func(*Tailed) error) error {
	path := "/v2/tail?match=" + url.QueryEscape(match) + "&rate=" + strconv.Itoa(rate)
	return c.stream(ctx, path, func(name string, data []byte) error {
		if name != "events" {
			return &PartialError{fmt.Sprintf("%s has ended the stream: it is shutting down", c.URL)}
		}
		var t Tailed
		if err := json.Unmarshal(data, &t); err != nil {
			return fmt.Errorf("%s did not answer as /v2/tail does: %w", c.URL, err)
		}
		return show(&t)
	})
}

// ErrEnough says that as many events were shown as were asked for.
var ErrEnough = errors.New("enough was shown")

// A Tail shows events line by line.
type Tail struct {
	out    Output
	form   string
	most   int
	shown  int
	begun  bool
	missed uint64 // that were told of last
}

// NewTail returns a Tail that ends after so many events; 0: never.
func NewTail(out Output, form string, most int) *Tail { return &Tail{out: out, form: form, most: most} }

// Show shows events.
func (t *Tail) Show(x *Tailed) error {
	if !t.begun {
		t.begun = true
		if err := t.header(); err != nil {
			return err
		}
	}
	for i := range x.Events {
		if err := t.event(&x.Events[i]); err != nil {
			return err
		}
		if t.shown++; t.most > 0 && t.shown >= t.most {
			return ErrEnough
		}
	}
	return t.sampled(x)
}

// tailHeader names the columns.
var tailHeader = []string{"TIME", "TAB", "TYPE", "CLIENT", "VALUE"}

func (t *Tail) header() error {
	switch {
	case t.form == CSV:
		return t.csv([]string{"time", "tab", "type", "client", "door", "value", "weight"})
	case t.form == Table && t.out.Terminal:
		_, err := fmt.Fprintln(t.out.W, t.line(tailHeader))
		return err
	}
	return nil
}

func (t *Tail) csv(row []string) error {
	w := csv.NewWriter(t.out.W)
	if err := w.Write(row); err != nil {
		return err
	}
	w.Flush()
	return w.Error()
}

func (t *Tail) event(e *TailedEvent) error {
	switch t.form {
	case JSON:
		body, err := json.Marshal(map[string]any{
			"time": e.Time, "tab": e.Tab, "type": e.Type, "client": e.Client, "door": e.Door, "value": e.Value, "weight": e.Weight,
		})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(t.out.W, "%s\n", body)
		return err
	case CSV:
		return t.csv([]string{number(&e.Time), e.Tab, e.Type, e.Client, e.Door, string(e.Value), strconv.FormatUint(e.Weight, 10)})
	}
	_, err := fmt.Fprintln(t.out.W, t.line([]string{
		time.UnixMilli(int64(e.Time * 1e3)).Format("15:04:05.000"), Printable(e.Tab), Printable(e.Type), Printable(e.Client), e.value(),
	}))
	return err
}

// value is what was recorded, and for how many events it stands.
func (e *TailedEvent) value() string {
	events := "events"
	if e.Weight == 1 {
		events = "event"
	}
	switch {
	case string(e.Value) == "null":
		return fmt.Sprintf("(%s %s, folded)", Group(strconv.FormatUint(e.Weight, 10)), events)
	case e.Weight != 1:
		return fmt.Sprintf("%s × %s", Printable(string(e.Value)), Group(strconv.FormatUint(e.Weight, 10)))
	}
	return Printable(string(e.Value))
}

// line puts cells into columns of a width that most names fit into: what comes
// next is not known.
func (t *Tail) line(cells []string) string {
	if !t.out.Terminal {
		return strings.Join(cells, "\t")
	}
	const moment, typ, value = 12, 15, 21 // columns; what is left is for names
	names := max(t.out.Width-moment-typ-value-8, 24)
	tab, client := min(names*2/3, 40), min(names/3, 24)
	s := fmt.Sprintf("%-*s  %-*s  %-*s  %-*s  %s", moment, cells[0], tab, fit(cells[1], tab), typ, fit(cells[2], typ), client, fit(cells[3], client), cells[4])
	if t.out.Width == 0 {
		return s
	}
	return fit(s, t.out.Width)
}

// fit cuts a text that is too long for its place.
func fit(s string, width int) string {
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}

// sampled says how many events were not shown, when there are more of them.
func (t *Tail) sampled(x *Tailed) error {
	missed := x.Matched - min(x.Shown, x.Matched)
	if missed <= t.missed || t.form != Table || !t.out.Terminal || x.Shown == 0 {
		return nil
	}
	t.missed = missed
	text := fmt.Sprintf("… showing 1 of %s: %s of %s events so far; choose fewer tabs to see all",
		Group(strconv.FormatUint((x.Matched+x.Shown/2)/x.Shown, 10)), Group(strconv.FormatUint(x.Shown, 10)), Group(strconv.FormatUint(x.Matched, 10)))
	if t.out.Color {
		text = "\x1b[2m" + text + "\x1b[0m"
	}
	_, err := fmt.Fprintln(t.out.W, text)
	return err
}
