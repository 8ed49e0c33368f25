package statsdtext

import (
	"bytes"
	"slices"
)

// Which bytes stay what they are in a canonical name: those of the alphabet of
// the original's clients, without what separates tags and what escapes.
var (
	inName = alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/?@!$()*+=-")
	inTag  = alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/?@!$()*+-")
)

func alphabet(bytes string) (in [256]bool) {
	for _, c := range []byte(bytes) {
		in[c] = true
	}
	return in
}

// Canonical returns the name of the tab for a metric with tags: name, and for
// every tag ;key=value, in ascending order and each once. Tags come from the
// list, key:value,key:value, and from the name itself if that has the form of
// Graphite, name;key=value. A tag may lack its value. Bytes that do not belong
// into a name become ~ and two hexadecimal digits.
func Canonical(name, tags []byte) (string, Reason) {
	name, inline, _ := bytes.Cut(name, []byte(";"))
	if len(name) == 0 {
		return "", BadName
	}
	list := appendTags(nil, inline, ';', '=')
	list = appendTags(list, tags, ',', ':')
	slices.SortFunc(list, bytes.Compare)
	list = slices.CompactFunc(list, bytes.Equal)

	tab := appendEscaped(nil, name, &inName)
	for _, tag := range list {
		// A NUL stands for the = so that keys are compared as a whole.
		tab = append(tab, ';')
		tab = append(tab, bytes.Replace(tag, []byte{0}, []byte("="), 1)...)
	}
	return string(tab), ""
}

// appendTags appends the tags of a list as key, NUL, value.
func appendTags(dst [][]byte, list []byte, between, within byte) [][]byte {
	for _, tag := range bytes.Split(list, []byte{between}) {
		if len(tag) == 0 {
			continue
		}
		key, value, _ := bytes.Cut(tag, []byte{within})
		escaped := append(appendEscaped(nil, key, &inTag), 0)
		dst = append(dst, appendEscaped(escaped, value, &inTag))
	}
	return dst
}

func appendEscaped(dst, s []byte, in *[256]bool) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range s {
		if in[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '~', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
