package wire

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// AgentReport is what an agent tells servers of itself. It is no part of exactly
// once: a server that does not know it, or loses it, counts all the same.
type AgentReport struct {
	Name, Address, Version string
	Source                 string // its Source in force, as text; "": none

	SpoolBytes, SpoolQuota uint64
	OldestMS               uint64 // age of what waits longest
	BacklogBytes           uint64
	BacklogEvents          uint64
	Resent                 uint64 // parts
	ResentMS               uint64 // when the last was, UTC milliseconds; 0: none since the agent began
	Restored               uint64 // events that a store had lost, and that were sent again
	Lost                   uint64 // events that are lost for certain
	InDoubt                uint64 // events that may be counted or not
	LossMS                 uint64 // when one of them last grew, UTC milliseconds; 0: not since the agent began
	DamagedRecords         uint64 // of the spool, that cannot be read
	Quarantine             uint64 // bytes
	Refused                uint64 // events, before they were acknowledged
	LastError              string
	LostWhere              string // the vbuckets of Lost, as text

	Traces []AgentTrace
}

// AgentTrace is what happened at an agent to events of a name, other than to
// count. Times are UTC seconds.
type AgentTrace struct {
	Kind, Door, Reason string
	Name               string // bytes, and how many of them there were
	Length             uint64
	Type, Client       string
	Sender, Detail     string
	Events, Times      uint64
	First, Last        float64
}

// Limits on an AgentReport.
const (
	MaxTraces   = 64
	maxReported = 512 // bytes of a text
)

const (
	reportName, reportAddress, reportVersion, reportSource                            = 1, 2, 3, 4
	reportSpool, reportQuota, reportOldest, reportBacklogBytes, reportBacklogEvents   = 5, 6, 7, 8, 9
	reportResent, reportLost, reportRefused, reportLastError, reportTraces            = 10, 11, 12, 13, 14
	reportResentMS, reportRestored, reportInDoubt, reportLossMS, reportDamaged        = 15, 16, 17, 18, 19
	reportQuarantine, reportLostWhere                                                 = 20, 21
	traceKind, traceDoor, traceReason, traceName, traceLength, traceType, traceClient = 1, 2, 3, 4, 5, 6, 7
	traceSender, traceDetail, traceEvents, traceTimes, traceFirst, traceLast          = 8, 9, 10, 11, 12, 13
)

// AppendAgentReport appends the encoding of r to dst.
func AppendAgentReport(dst []byte, r *AgentReport) []byte {
	texts, numbers := r.fields()
	for _, f := range texts[:4] {
		dst = appendStr(dst, f.num, *f.to)
	}
	for _, f := range numbers {
		dst = appendUint(dst, f.num, *f.to)
	}
	for _, f := range texts[4:] {
		dst = appendStr(dst, f.num, *f.to)
	}
	for i := range r.Traces {
		dst = appendMessage(dst, reportTraces, appendTrace(nil, &r.Traces[i]))
	}
	return dst
}

// texts and numbers are fields by their number.
type (
	textField struct {
		num protowire.Number
		to  *string
	}
	numberField struct {
		num protowire.Number
		to  *uint64
	}
)

func (r *AgentReport) fields() ([]textField, []numberField) {
	return []textField{
			{reportName, &r.Name}, {reportAddress, &r.Address}, {reportVersion, &r.Version}, {reportSource, &r.Source}, {reportLastError, &r.LastError},
			{reportLostWhere, &r.LostWhere},
		}, []numberField{
			{reportSpool, &r.SpoolBytes}, {reportQuota, &r.SpoolQuota}, {reportOldest, &r.OldestMS}, {reportBacklogBytes, &r.BacklogBytes},
			{reportBacklogEvents, &r.BacklogEvents}, {reportResent, &r.Resent}, {reportLost, &r.Lost}, {reportRefused, &r.Refused},
			{reportResentMS, &r.ResentMS}, {reportRestored, &r.Restored}, {reportInDoubt, &r.InDoubt}, {reportLossMS, &r.LossMS},
			{reportDamaged, &r.DamagedRecords}, {reportQuarantine, &r.Quarantine},
		}
}

func (t *AgentTrace) fields() ([]textField, []numberField) {
	return []textField{
			{traceKind, &t.Kind}, {traceDoor, &t.Door}, {traceReason, &t.Reason}, {traceName, &t.Name}, {traceType, &t.Type},
			{traceClient, &t.Client}, {traceSender, &t.Sender}, {traceDetail, &t.Detail},
		}, []numberField{
			{traceLength, &t.Length}, {traceEvents, &t.Events}, {traceTimes, &t.Times},
		}
}

func appendTrace(dst []byte, t *AgentTrace) []byte {
	dst = appendStr(dst, traceKind, t.Kind)
	dst = appendStr(dst, traceDoor, t.Door)
	dst = appendStr(dst, traceReason, t.Reason)
	dst = appendStr(dst, traceName, t.Name)
	dst = appendUint(dst, traceLength, t.Length)
	dst = appendStr(dst, traceType, t.Type)
	dst = appendStr(dst, traceClient, t.Client)
	dst = appendStr(dst, traceSender, t.Sender)
	dst = appendStr(dst, traceDetail, t.Detail)
	dst = appendUint(dst, traceEvents, t.Events)
	dst = appendUint(dst, traceTimes, t.Times)
	dst = appendDouble(dst, traceFirst, t.First)
	return appendDouble(dst, traceLast, t.Last)
}

func appendDouble(dst []byte, num protowire.Number, v float64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendFixed64(protowire.AppendTag(dst, num, protowire.Fixed64Type), math.Float64bits(v))
}

// DecodeAgentReport decodes m into r.
func DecodeAgentReport(m []byte, r *AgentReport) error {
	*r = AgentReport{}
	texts, numbers := r.fields()
	err := eachField(m, func(f field) error {
		if f.num == reportTraces {
			if len(r.Traces) == MaxTraces {
				return fmt.Errorf("has more than %d traces", MaxTraces)
			}
			var t AgentTrace
			if err := f.message(t.field); err != nil {
				return inNth("trace", len(r.Traces), err)
			}
			r.Traces = append(r.Traces, t)
			return nil
		}
		return f.into(texts, numbers)
	})
	if err == nil && r.Name == "" {
		err = fmt.Errorf("name is missing")
	}
	return in("agent report", err)
}

func (t *AgentTrace) field(f field) error {
	switch f.num {
	case traceFirst:
		return f.double(&t.First)
	case traceLast:
		return f.double(&t.Last)
	}
	texts, numbers := t.fields()
	return f.into(texts, numbers)
}

// double reads a finite number.
func (f field) double(to *float64) error {
	*to = math.Float64frombits(f.u)
	if *to-*to != 0 {
		return fmt.Errorf("field %d: is not finite", f.num)
	}
	return f.is(protowire.Fixed64Type)
}

// into reads a text or a number, if it is one of those.
func (f field) into(texts []textField, numbers []numberField) error {
	for _, t := range texts {
		if t.num != f.num {
			continue
		}
		if len(f.b) > maxReported {
			return fmt.Errorf("field %d: has %d bytes, at most %d are taken", f.num, len(f.b), maxReported)
		}
		*t.to = string(f.b)
		return f.is(protowire.BytesType)
	}
	for _, n := range numbers {
		if n.num == f.num {
			return f.uint64(n.to)
		}
	}
	return nil
}
