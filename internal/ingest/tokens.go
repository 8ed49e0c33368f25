package ingest

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
)

// A tokens file has one token per line; '#' begins a comment:
//
//	NAME  sha256:HASH  SCOPE[,SCOPE…]
//
// HASH is the SHA-256 of the token in hexadecimal. Tokens are long and
// random, so their hashes need no salt. Scopes are write, read and admin.
const tokenLine = "NAME sha256:HASH SCOPE[,SCOPE…]"

type token struct {
	name   string
	hash   [sha256.Size]byte
	scopes Scope
}

type tokens []token

// Bounds on a tokens file.
const (
	maxTokenFile = 1 << 20
	maxTokens    = 1000 // every request looks at all of them
	maxTokenName = 128
)

// loadTokens reads a tokens file, which others must not be able to read.
func loadTokens(path string) (tokens, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("tokens file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("tokens file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("tokens file %s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return nil, fmt.Errorf("tokens file %s has mode %04o: others may read or change it; run chmod o-rwx on it", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return nil, fmt.Errorf("tokens file %s: %w", path, err)
	}
	if len(text) > maxTokenFile {
		return nil, fmt.Errorf("tokens file %s is larger than the limit of %d bytes", path, maxTokenFile)
	}
	ts, err := parseTokens(text)
	if err != nil {
		return nil, fmt.Errorf("tokens file %s: %w", path, err)
	}
	return ts, nil
}

func parseTokens(text []byte) (tokens, error) {
	var ts tokens
	names := make(map[string]int)
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		t, err := parseToken(fields)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if first, twice := names[t.name]; twice {
			return nil, fmt.Errorf("line %d: the name %q is already on line %d", n, t.name, first)
		}
		names[t.name] = n
		if ts = append(ts, t); len(ts) > maxTokens {
			return nil, fmt.Errorf("line %d: more than the limit of %d tokens", n, maxTokens)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(ts) == 0 {
		return nil, fmt.Errorf("it holds no token; want lines of the form %s", tokenLine)
	}
	return ts, nil
}

func parseToken(fields []string) (t token, err error) {
	if len(fields) != 3 {
		return t, fmt.Errorf("%d fields, want 3: %s", len(fields), tokenLine)
	}
	if t.name = fields[0]; len(t.name) > maxTokenName {
		return t, fmt.Errorf("the name is longer than the limit of %d bytes", maxTokenName)
	}
	digits, ok := strings.CutPrefix(fields[1], "sha256:")
	if !ok {
		return t, fmt.Errorf("the hash of %q does not begin with sha256: %s", t.name, tokenLine)
	}
	if n, err := hex.Decode(t.hash[:], []byte(digits[:min(len(digits), 2*sha256.Size)])); err != nil || n != sha256.Size || len(digits) != 2*sha256.Size {
		return t, fmt.Errorf("the hash of %q is not %d hexadecimal digits", t.name, 2*sha256.Size)
	}
	t.scopes, err = ParseScopes(fields[2])
	return t, err
}

// ParseScopes reads scopes separated by commas.
func ParseScopes(s string) (Scope, error) {
	var scopes Scope
	for name := range strings.SplitSeq(s, ",") {
		scope, ok := scopeOf(name)
		if !ok {
			return 0, fmt.Errorf("unknown scope %q, want write, read or admin", name)
		}
		scopes |= scope
	}
	return scopes, nil
}

func scopeOf(name string) (Scope, bool) {
	for _, n := range scopeNames {
		if n.name == name {
			return n.scope, true
		}
	}
	return 0, false
}

// GenerateToken returns a new token and the line for it in a tokens file.
func GenerateToken(name string, scopes Scope) (secret, line string) {
	secret = "taba_" + rand.Text()
	return secret, TokenLine(name, secret, scopes)
}

// TokenLine is the line for a token in a tokens file.
func TokenLine(name, secret string, scopes Scope) string {
	return fmt.Sprintf("%s sha256:%x %s", name, sha256.Sum256([]byte(secret)), scopes)
}
