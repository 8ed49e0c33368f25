package redisstore

import (
	"strconv"
	"strings"

	"github.com/tabaproject/taba/internal/store"
)

// The layout, format 1. Every key is PREFIX:{vb}:kind, so that the keys of one
// vbucket share a slot of a Redis Cluster. PREFIX is "taba" unless the URL says
// otherwise. Values are described in values.go.
//
//	m          string  what was fixed at creation; that of vbucket 0 says whether creation is complete
//	s          string  state: token, end of the log, horizons, last pass of garbage collection, birth
//	w          hash    source -> watermark, chain and closer
//	h          list    heads of the log entries that are not trimmed, oldest first
//	e:OFFSET   hash    o: outline, b: body of the entry at OFFSET, in decimals
//	t:RANDOM   hash    the same, before it is linked into the log; expires
//	k          string  trim point and ledger: what compaction changes
//	g          hash    tab -> tombstone of a removed record, until the log is trimmed to it
//	r          hash    name -> records of its tabs, one per Type: positions, counts
//	a:NAME     hash    Type -> all-clients State
//	d:NAME     hash    Type, client -> directory: count, size of the State
//	c:NAME     hash    Type, client -> the client's State
//	f          string  fence: touched by reads, to find out whether replicas follow
//	n          hash    member -> what it says of itself; of vbucket 0 alone
//
// Whatever changes s changes its token, and whatever changes k is watched, so
// that who writes finds out whether what he decided on is still there. Bodies
// and States are written by plain commands: a script would copy them twice.
const (
	kindMeta     = "m"
	kindState    = "s"
	kindRows     = "w"
	kindHeads    = "h"
	kindEntry    = "e:"
	kindStage    = "t:"
	kindLedger   = "k"
	kindGraves   = "g"
	kindRecords  = "r"
	kindAlls     = "a:"
	kindClients  = "d:"
	kindStates   = "c:"
	kindFence    = "f"
	kindMembers  = "n"
	fieldOutline = "o"
	fieldBody    = "b"
)

// format is the version of the layout.
const format = 1

// partition is the version of the function that maps tabs to vbuckets.
const partition = 1

// maxVBuckets bounds what one store can have. Far fewer make sense.
const maxVBuckets = 1 << 12

// key returns a key of a vbucket.
func (s *Store) key(vb int, kind string) string { return s.keys[vb] + kind }

func keyPrefix(prefix string, vb int) string { return prefix + ":{" + strconv.Itoa(vb) + "}:" }

func (s *Store) entryKey(vb int, offset uint64) string {
	return s.key(vb, kindEntry) + strconv.FormatUint(offset, 10)
}

// nameText is a name within a key or as a field.
func nameText(n store.TabName) string {
	return string(appendEscaped(appendEscaped(nil, n.Namespace), n.Name))
}

// parseName reads a name back.
func parseName(text string) (n store.TabName, ok bool) {
	var rest string
	if n.Namespace, rest, ok = cutEscaped(text); !ok {
		return n, false
	}
	n.Name, rest, ok = cutEscaped(rest)
	return n, ok && rest == ""
}

func tabText(t store.Tab) string {
	return nameText(nameOf(t)) + string(appendEscaped(nil, t.Type))
}

func nameOf(t store.Tab) store.TabName { return store.TabName{Namespace: t.Namespace, Name: t.Name} }

// clientField is a client of one Type within d and c.
func clientField(typ, client string) string { return string(appendEscaped(nil, typ)) + client }

func parseClient(field string) (typ, client string, ok bool) { return cutEscaped(field) }

func rowField(id store.SourceID) string {
	b, _ := id.AppendBinary(nil) // never fails
	return string(b)
}

// A string that others follow: 0 bytes become 0 255, and 0 1 ends it. So no
// string is a prefix of another.
func appendEscaped(dst []byte, s string) []byte {
	for i := range len(s) {
		dst = append(dst, s[i])
		if s[i] == 0 {
			dst = append(dst, 0xff)
		}
	}
	return append(dst, 0, 1)
}

func cutEscaped(b string) (s, rest string, ok bool) {
	i := strings.IndexByte(b, 0)
	if i < 0 || i+1 == len(b) {
		return "", "", false
	}
	if b[i+1] == 1 { // the common case: nothing was escaped
		return b[:i], b[i+2:], true
	}
	var out []byte
	for i = 0; i+1 < len(b); i++ {
		if b[i] == 0 {
			if b[i+1] == 1 {
				return string(out), b[i+2:], true
			}
			out = append(out, 0)
			i++
			continue
		}
		out = append(out, b[i])
	}
	return "", "", false
}

// known reports whether a key below the prefix of a vbucket is one of ours.
func known(rest string) bool {
	kind, name, cut := strings.Cut(rest, ":")
	switch kind + ":" {
	case kindEntry:
		_, err := strconv.ParseUint(name, 10, 64)
		return cut && err == nil
	case kindStage:
		return cut && len(name) == 2*stageLen
	case kindAlls, kindClients, kindStates:
		_, ok := parseName(name)
		return cut && ok
	}
	return !cut && len(rest) == 1 && strings.Contains("mswhkgrfn", rest)
}

// stageLen is the length of the random name of a staged entry, in bytes.
const stageLen = 12
