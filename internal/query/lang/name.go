package lang

import "strings"

// A tab with tags is called name;key=value;key=value. Bytes of tags that do not
// belong into a name are ~ and two hexadecimal digits.

// Name returns a tab's name without its tags.
func Name(tab string) string {
	name, _, _ := strings.Cut(tab, ";")
	return name
}

// Prefix returns the first parts of a name, which dots separate.
func Prefix(name string, parts int) string {
	end := 0
	for range parts {
		i := strings.IndexByte(name[end:], '.')
		if i < 0 {
			return name
		}
		end += i + 1
	}
	return name[:max(end-1, 0)]
}

// Tags calls f for every tag of a tab, until it returns false.
func Tags(tab string, f func(key, value string) bool) {
	_, rest, more := strings.Cut(tab, ";")
	for more {
		var tag string
		tag, rest, more = strings.Cut(rest, ";")
		key, value, _ := strings.Cut(tag, "=")
		if !f(Unescape(key), Unescape(value)) {
			return
		}
	}
}

// TagOf returns the value of a tab's tag, empty if it does not have it.
func TagOf(tab, key string) (value string) {
	Tags(tab, func(k, v string) bool {
		if k == key {
			value = v
			return false
		}
		return true
	})
	return value
}

// Unescape returns what ~XX stand for. What is no escape stands for itself.
func Unescape(s string) string {
	if !strings.Contains(s, "~") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '~' && i+2 < len(s) {
			if hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2]); hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// Escape returns how a tag's key or value is written in a name.
func Escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b []byte
	for i := range len(s) {
		if c := s[i]; inTag[c] {
			b = append(b, c)
		} else {
			b = append(b, '~', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

var inTag = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/?@!$()*+-")
