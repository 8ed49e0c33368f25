package builtin

import "slices"

// appendStep appends the way from the id before to this one: for the newest
// bucket the signed distance from the expected id, then distances downwards.
func appendStep(dst []byte, before *int64, id int64, newest bool) []byte {
	if newest {
		dst = appendInt(dst, id-*before)
	} else {
		dst = appendUint(dst, uint64(*before-id))
	}
	*before = id
	return dst
}

// decodeRing reads n buckets, each of at least elem bytes, into the empty ring
// r. Of ids it reads what appendStep wrote, and decode reads the rest.
func decodeRing[T any, P interface {
	*T
	reset()
}](d *decoder, r *ring[T, P], n uint64, expected, size int64, elem int, decode func(P)) {
	if n > uint64(size) || n > uint64(len(d.src)/elem) {
		d.fail("a ring has too many buckets")
		return
	}
	*r = slices.Grow(*r, int(n))
	var newest int64
	for i := range n {
		id := expected
		if i == 0 {
			id += d.int()
			newest = id
		} else {
			id -= int64(d.uint())
		}
		if id < -maxTime || id > maxTime || i > 0 && (id >= expected || id <= newest-size) {
			d.fail("a bucket is out of place")
		}
		if !d.ok() {
			break
		}
		decode(r.push(id))
		expected = id
	}
	slices.Reverse(*r)
}
