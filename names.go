package taba

import "fmt"

// maxName is the longest name of a tab or client, in bytes.
const maxName = 512

// inAlphabet are the bytes that names may have.
var inAlphabet = func() (ok [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:/?@!$()*+;=-") {
		ok[c] = true
	}
	return ok
}()

func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%q is empty", name)
	case len(name) > maxName:
		return fmt.Errorf("%q… has %d bytes, the limit is %d", name[:32], len(name), maxName)
	}
	for i := range len(name) {
		if !inAlphabet[name[i]] {
			return fmt.Errorf("%q has the byte %q; names are made of A-Z a-z 0-9 and ._~:/?@!$()*+;=-", name, name[i])
		}
	}
	return nil
}

// sanitise returns a name that checkName takes.
func sanitise(name string) string {
	b := []byte(name[:min(len(name), maxName)])
	for i, c := range b {
		if !inAlphabet[c] {
			b[i] = '_'
		}
	}
	if len(b) == 0 {
		return "unnamed"
	}
	return string(b)
}
