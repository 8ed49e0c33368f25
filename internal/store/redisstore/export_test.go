package redisstore

// Slot is the slot of a vbucket's keys in a Cluster.
var Slot = slot

// Transactions returns options with other transactions: of more than least bytes of
// bodies, and nothing is added to most. There are none if most is negative.
func (o Options) Transactions(least, most int) Options {
	o.transaction = shares{least, most}
	return o
}

// AnyTransactions returns options with transactions of anything, unless others
// are set.
func (o Options) AnyTransactions() Options {
	if o.transaction != (shares{}) {
		return o
	}
	return o.Transactions(-1, maxTransaction)
}

// UsualTransactions returns options with those that there are by default.
func (o Options) UsualTransactions() Options { return o.Transactions(readTogether, maxTransaction) }
