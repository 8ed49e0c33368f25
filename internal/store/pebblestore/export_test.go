package pebblestore

// SmallBuffers makes Pebble write tables often, so that short tests see it
// happen.
func (o Options) SmallBuffers() Options {
	o.memTable, o.segment, o.logged = 64<<10, 64<<10, 1<<10
	return o
}

// TinyBuffers makes Pebble write tables all the time.
func (o Options) TinyBuffers() Options {
	o.memTable, o.segment, o.logged = 16<<10, 2<<10, 300
	return o
}

// SecureManifests is secureManifests.
var SecureManifests = secureManifests
