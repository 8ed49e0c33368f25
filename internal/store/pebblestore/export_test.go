package pebblestore

// SmallBuffers makes Pebble write tables often, so that short tests see it
// happen.
func (o Options) SmallBuffers() Options {
	o.memTable = 64 << 10
	return o
}

// TinyBuffers makes Pebble write tables all the time.
func (o Options) TinyBuffers() Options {
	o.memTable = 16 << 10
	return o
}

// SecureManifests is secureManifests.
var SecureManifests = secureManifests
