package query

import "github.com/tabaproject/taba/internal/pyjson"

// appendStrings appends a JSON array.
func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = pyjson.AppendString(dst, s)
	}
	return append(dst, ']')
}
