package promapi

import (
	"strings"
	"unicode/utf8"

	"github.com/tabaproject/taba/internal/query/lang"
)

// Labels that tell apart what is told of one tab. A tag that is called like one
// of them is exported_ and that, as Prometheus calls what clashes.
const (
	labelClient   = "client"
	labelWindow   = "window"
	labelQuantile = "quantile"
	labelTab      = "tab"
	labelName     = "__name__"
)

// metricByte says which bytes a metric's name may have; the first is no digit.
var metricByte = func() (ok [256]bool) {
	for c := range 256 {
		b := byte(c)
		ok[c] = 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_' || b == ':'
	}
	return ok
}()

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// metricName returns a tab's name as a metric may be called: each byte that
// does not belong into one is an underscore.
func metricName(name string) string {
	clean := name != "" && !isDigit(name[0])
	for i := 0; clean && i < len(name); i++ {
		clean = metricByte[name[i]]
	}
	if clean {
		return name
	}
	b := make([]byte, 0, len(name)+1)
	if name == "" || isDigit(name[0]) {
		b = append(b, '_')
	}
	for i := range len(name) {
		b = append(b, metricChar(name[i]))
	}
	return string(b)
}

func metricChar(c byte) byte {
	if metricByte[c] {
		return c
	}
	return '_'
}

// labelKey returns what a tag is called as a label.
func labelKey(tag string) string {
	switch tag {
	case labelClient, labelWindow, labelQuantile, labelTab, "le":
		return "exported_" + tag
	}
	key := strings.ReplaceAll(metricName(tag), ":", "_")
	if strings.HasPrefix(key, "__") {
		return "exported" + key
	}
	return key
}

// eachLabel calls f for the labels that a tab's tags make. Of tags that make the
// same one the first counts; an empty value is none.
func eachLabel(tab string, f func(key, value string)) {
	var seen [8]string
	keys := seen[:0]
	lang.Tags(tab, func(tag, value string) bool {
		key := labelKey(tag)
		for _, k := range keys {
			if k == key {
				return true
			}
		}
		keys = append(keys, key)
		if value != "" {
			f(key, text(value))
		}
		return true
	})
}

// labelOf returns the value of one label.
func labelOf(tab, key string) (value string) {
	eachLabel(tab, func(k, v string) {
		if k == key {
			value = v
		}
	})
	return value
}

// text is s as a label's value may be.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// A namePattern is a beginning of metric names, or a whole one, in terms of the
// tabs that they are made of.
type namePattern struct {
	text  string
	whole bool
}

// prefix is what all tabs begin with that make such names, as far as it can be
// said: anything may have become an underscore.
func (p namePattern) prefix() string {
	clean, _, _ := strings.Cut(p.text, "_")
	return clean
}

// next returns the least name of a tab behind one that is not chosen whose
// metric may be: it takes the walk from one place where there may be some to
// the next, instead of through all that begins alike.
func (p namePattern) next(tab string) (string, bool) {
	for i := range len(p.text) { // the first byte that does not fit decides
		want := p.text[i]
		switch {
		case i == len(tab) && want == '_':
			return tab + "\x00", true
		case i == len(tab):
			return tab + p.text[i:i+1], true
		case tab[i] != ';' && metricChar(tab[i]) == want:
		case want != '_' && tab[i] < want:
			return tab[:i] + p.text[i:i+1], true
		default:
			return p.raise(tab, i)
		}
	}
	switch i := len(p.text); {
	case !p.whole || i == len(tab) || tab[i] == ';':
		return tab + "\x00", true // its name fits; something else does not
	case tab[i] < ';':
		return tab[:i] + ";", true // behind the name there are only tags
	default:
		return p.raise(tab, i)
	}
}

// raise returns the least name behind all that begin as tab does up to and
// including byte i: a byte that may be another one is raised.
func (p namePattern) raise(tab string, i int) (string, bool) {
	for ; i >= 0; i-- {
		if i == len(p.text) || p.text[i] != '_' {
			continue
		}
		for c := int(tab[i]) + 1; c < 256; c++ {
			if c != ';' && metricChar(byte(c)) == '_' {
				return tab[:i] + string([]byte{byte(c)}), true
			}
		}
	}
	return "", false
}
