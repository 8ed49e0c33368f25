package store

import "github.com/cespare/xxhash/v2"

// Partition maps tabs to vbuckets. It is fixed when a store is created and
// travels in every Batch header: a mismatch is refused, because parts that
// were cut differently cannot be compared with each other's watermarks.
type Partition struct {
	Version  uint32 // of the function below: 1
	VBuckets int    // V
	Key      uint64 // seeds the hash, so that names cannot be chosen to collide
}

// Of returns the vbucket of a tab. The Type does not matter: tabs of one name
// and several Types share a vbucket, so that log order can decide between them.
func (p Partition) Of(namespace, name string) int {
	if p.VBuckets <= 1 {
		return 0
	}
	var d xxhash.Digest
	d.ResetWithSeed(p.Key)
	_, _ = d.WriteString(namespace)
	_, _ = d.Write([]byte{0})
	_, _ = d.WriteString(name)
	return int(d.Sum64() % uint64(p.VBuckets))
}
