package taba

import "time"

// Counter counts: events, their total and average, in windows of a minute, ten
// minutes, an hour and a day, and lifetime percentiles (Type CounterGroup).
type Counter struct{ s *series }

// Add records an event of n.
func (h Counter) Add(n float64) { h.s.number(n) }

// Percentile is a distribution: percentiles in windows of a minute, ten
// minutes, an hour and a day (Type PercentileGroup).
type Percentile struct{ s *series }

// Record records an event of value v.
func (h Percentile) Record(v float64) { h.s.number(v) }

// Totals is a lifetime count and total (Type TotalsCounter).
type Totals struct{ s *series }

// Add records an event of n.
func (h Totals) Add(n float64) { h.s.number(n) }

// Gauge is a value that holds until it is replaced, or for 48 hours (Type
// Gauge). Only the newest value at each flush is sent.
type Gauge struct{ s *series }

// Set sets the gauge to v: a string, number, bool, or anything that
// encoding/json takes.
func (h Gauge) Set(v any) { h.s.set(v, nil) }

// ExpiringGauge is a value that holds until it expires (Type ExpiryGauge).
// Only the newest value at each flush is sent.
type ExpiringGauge struct{ s *series }

// Set sets the gauge to v until expiry.
func (h ExpiringGauge) Set(v any, expiry time.Time) { h.s.set(v, &expiry) }

// Buffer is a list of values that expire one by one; the thousand that last
// longest are kept (Type Buffer).
type Buffer struct{ s *series }

// Push adds v until expiry.
func (h Buffer) Push(v any, expiry time.Time) { h.s.push(v, expiry) }

// Counter returns the handle of a Counter.
func (c *Client) Counter(name string) Counter { return Counter{c.series("CounterGroup", name)} }

// Percentile returns the handle of a Percentile.
func (c *Client) Percentile(name string) Percentile {
	return Percentile{c.series("PercentileGroup", name)}
}

// Totals returns the handle of a Totals.
func (c *Client) Totals(name string) Totals { return Totals{c.series("TotalsCounter", name)} }

// Gauge returns the handle of a Gauge.
func (c *Client) Gauge(name string) Gauge { return Gauge{c.series("Gauge", name)} }

// GaugeUntil returns the handle of an ExpiringGauge.
func (c *Client) GaugeUntil(name string) ExpiringGauge {
	return ExpiringGauge{c.series("ExpiryGauge", name)}
}

// Buffer returns the handle of a Buffer.
func (c *Client) Buffer(name string) Buffer { return Buffer{c.series("Buffer", name)} }
