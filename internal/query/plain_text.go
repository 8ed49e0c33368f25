package query

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// whole is a number with all digits before the point, in groups.
func whole(v *float64) string {
	if v == nil {
		return "–"
	}
	return grouped(strconv.FormatFloat(*v, 'f', 0, 64))
}

// number is a number with the digits that matter.
func number(v *float64) string {
	switch {
	case v == nil:
		return "–"
	case math.Abs(*v) >= 1000 && math.Abs(*v) < 1e15:
		return whole(v)
	}
	return strconv.FormatFloat(*v, 'g', 4, 64)
}

// grouped puts commas between groups of three digits.
func grouped(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(digits[i])
	}
	return sign + b.String()
}

// clock is UTC seconds as people read them.
func clock(t float64) string {
	return time.Unix(int64(t), 0).UTC().Format("2006-01-02 15:04:05 UTC")
}
