package promapi

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// appendResult appends what a query answers. Its numbers are many, so it does
// without reflection: TestEncode holds it to encoding/json.
func appendResult(b []byte, v parser.Value) ([]byte, error) {
	b = append(b, `{"resultType":"`...)
	b = append(b, v.Type()...)
	b = append(b, `","result":`...)
	var err error
	switch v := v.(type) {
	case promql.Scalar:
		b = appendPoint(b, v.T, v.V)
	case promql.String:
		var text []byte
		text, err = json.Marshal(v)
		b = append(b, text...)
	case promql.Vector:
		b, err = appendVector(b, v)
	case promql.Matrix:
		b, err = appendMatrix(b, v)
	}
	return append(b, '}'), err
}

func appendVector(b []byte, v promql.Vector) ([]byte, error) {
	b = append(b, '[')
	for i := range v {
		b = appendMetric(comma(b, i), v[i].Metric)
		if v[i].H == nil {
			b = append(b, `,"value":`...)
			b = append(appendPoint(b, v[i].T, v[i].F), '}')
			continue
		}
		text, err := json.Marshal(promql.HPoint{T: v[i].T, H: v[i].H})
		if err != nil {
			return b, err
		}
		b = append(append(append(b, `,"histogram":`...), text...), '}')
	}
	return append(b, ']'), nil
}

func appendMatrix(b []byte, m promql.Matrix) ([]byte, error) {
	b = append(b, '[')
	for i := range m {
		b = appendMetric(comma(b, i), m[i].Metric)
		if len(m[i].Floats) > 0 {
			b = append(b, `,"values":[`...)
			for j, p := range m[i].Floats {
				b = appendPoint(comma(b, j), p.T, p.F)
			}
			b = append(b, ']')
		}
		if len(m[i].Histograms) > 0 {
			text, err := json.Marshal(m[i].Histograms)
			if err != nil {
				return b, err
			}
			b = append(append(b, `,"histograms":`...), text...)
		}
		b = append(b, '}')
	}
	return append(b, ']'), nil
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

// appendMetric begins an object with a series' labels.
func appendMetric(b []byte, ls labels.Labels) []byte {
	return appendLabels(append(b, `{"metric":`...), ls)
}

func appendLabels(b []byte, ls labels.Labels) []byte {
	b = append(b, '{')
	i := 0
	ls.Range(func(l labels.Label) {
		b = appendString(comma(b, i), l.Name)
		b = appendString(append(b, ':'), l.Value)
		i++
	})
	return append(b, '}')
}

// appendString appends a JSON string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			text, _ := json.Marshal(s) // a string
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendPoint appends [seconds, "value"].
func appendPoint(b []byte, t int64, v float64) []byte {
	b = append(b, '[')
	if t < 0 {
		b, t = append(b, '-'), -t
	}
	b = strconv.AppendInt(b, t/1000, 10)
	if ms := t % 1000; ms != 0 {
		b = append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	}
	b = append(b, ',', '"')
	switch {
	case math.IsInf(v, 1):
		b = append(b, "+Inf"...)
	case v == math.Trunc(v) && math.Abs(v) < 1<<53 && !(v == 0 && math.Signbit(v)):
		b = strconv.AppendInt(b, int64(v), 10)
	default:
		b = strconv.AppendFloat(b, v, 'f', -1, 64)
	}
	return append(b, '"', ']')
}
