package ingest

// strictName is the alphabet of names that the original's clients send.
var strictName = func() (ok [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:/?@!$()*+;=-") {
		ok[c] = true
	}
	return ok
}()

// looseName is everything but control characters, which would break the lines
// of text answers.
var looseName = func() (ok [256]bool) {
	for c := range ok {
		ok[c] = c >= ' ' && c != 0x7f
	}
	return ok
}()

// within reports whether name has only bytes of the alphabet.
func within(alphabet *[256]bool, name string) bool {
	for i := range len(name) {
		if !alphabet[name[i]] {
			return false
		}
	}
	return true
}
