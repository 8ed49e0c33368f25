package member

import (
	"crypto/sha256"
	"encoding/binary"
)

// shares returns, per vbucket, the name to which it belongs, and at the end
// the one that does what is to be done once: the one whose hash with the
// number is the highest. None belong to anybody if there are no names.
func shares(names []string, vbuckets int) []string {
	list := make([]string, vbuckets+1)
	best := make([]uint64, vbuckets+1)
	for _, name := range names {
		for n := range list {
			if w := weigh(name, n); list[n] == "" || w > best[n] {
				list[n], best[n] = name, w
			}
		}
	}
	return list
}

// weigh is the same in every process and every release.
func weigh(name string, n int) uint64 {
	sum := sha256.Sum256(binary.BigEndian.AppendUint32([]byte(name), uint32(n)))
	return binary.BigEndian.Uint64(sum[:])
}
