package promapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// params are those of a request: of the query string and, where they are posted,
// of a form.
type params struct {
	url.Values
	label string // in the path of /label/{name}/values
}

// A badData is a parameter that cannot be.
type badData struct{ message string }

func (e *badData) Error() string { return e.message }

func bad(format string, args ...any) error { return &badData{fmt.Sprintf(format, args...)} }

// errTooLarge: a request's body is over the limit.
var errTooLarge = errors.New("the request is too large")

func (a *API) params(w http.ResponseWriter, r *http.Request) (params, error) {
	// A semicolon separates nothing: tabs have them.
	values, err := url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B"))
	if err != nil {
		return params{}, bad("the query string cannot be read: %v", err)
	}
	p := params{Values: values, label: r.PathValue("name")}
	if r.Method != http.MethodPost {
		return p, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.o.MaxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return params{}, fmt.Errorf("%w: its body is longer than %d bytes", errTooLarge, a.o.MaxBody)
	}
	if err != nil {
		return params{}, bad("the body cannot be read: %v", err)
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-www-form-urlencoded" && len(body) > 0 {
		return params{}, bad("a body of type %q is not read; send application/x-www-form-urlencoded", kind)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return params{}, bad("the form cannot be read: %v", err)
	}
	for name, list := range form {
		p.Values[name] = append(p.Values[name], list...)
	}
	return p, nil
}

// Times that a request can be about: PromQL counts milliseconds, and adds to them.
const maxSeconds = 1 << 42

// parseTime reads seconds since 1970 or RFC 3339.
func parseTime(s string) (time.Time, error) {
	if t, err := strconv.ParseFloat(s, 64); err == nil {
		if math.IsNaN(t) || math.Abs(t) > maxSeconds {
			return time.Time{}, fmt.Errorf("%q is out of range", s)
		}
		return time.UnixMilli(int64(math.Round(t * 1000))).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Unix() > maxSeconds || t.Unix() < -maxSeconds {
		return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp", s)
	}
	return t, nil
}

// maxDuration bounds durations, so that sums of them are none that overflow.
const maxDuration = 100 * 365 * 24 * time.Hour

// parseDuration reads seconds or a duration as PromQL has them.
func parseDuration(s string) (time.Duration, error) {
	d, err := strconv.ParseFloat(s, 64)
	if err != nil {
		parsed, err := model.ParseDuration(s)
		if err != nil {
			return 0, fmt.Errorf("cannot parse %q to a valid duration", s)
		}
		d = time.Duration(parsed).Seconds()
	}
	if math.IsNaN(d) || math.Abs(d) > maxDuration.Seconds() {
		return 0, fmt.Errorf("%q is out of range", s)
	}
	return time.Duration(d * float64(time.Second)), nil
}

func (p params) time(name string, otherwise time.Time) (time.Time, error) {
	text := p.Get(name)
	if text == "" {
		if otherwise.IsZero() {
			return otherwise, bad("invalid parameter %q: it is missing", name)
		}
		return otherwise, nil
	}
	t, err := parseTime(text)
	if err != nil {
		return t, bad("invalid parameter %q: %v", name, err)
	}
	return t, nil
}

func (p params) duration(name string) (time.Duration, error) {
	text := p.Get(name)
	if text == "" {
		return 0, nil
	}
	d, err := parseDuration(text)
	if err != nil {
		return 0, bad("invalid parameter %q: %v", name, err)
	}
	return d, nil
}

// limit reads how many elements are wanted; 0: all.
func (p params) limit(name string) (int, error) {
	text := p.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, bad("invalid parameter %q: %q is no number of elements", name, text)
	}
	return n, nil
}

// maxSelectors bounds how many selectors one request may have.
const maxSelectors = 100

// selectors reads match[].
func (a *API) selectors(p params) ([][]*labels.Matcher, error) {
	list := p.Values["match[]"]
	if len(list) > maxSelectors {
		return nil, bad("invalid parameter \"match[]\": it is given %d times, at most %d are taken", len(list), maxSelectors)
	}
	sets, err := a.parser.ParseMetricSelectors(list)
	if err != nil {
		return nil, bad("invalid parameter \"match[]\": %v", err)
	}
	for _, set := range sets {
		some := false
		for _, m := range set {
			some = some || !m.Matches("")
		}
		if !some {
			return nil, bad("match[] must contain at least one non-empty matcher")
		}
	}
	return sets, nil
}

// deadline gives a request the time that it may take.
func (a *API) deadline(ctx context.Context, p params) (context.Context, context.CancelFunc, error) {
	d, err := p.duration("timeout")
	if err != nil {
		return nil, nil, err
	}
	if d <= 0 || d > a.o.Timeout {
		d = a.o.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	return ctx, cancel, nil
}
