package redisstore

// Slot is the slot of a vbucket's keys in a Cluster.
var Slot = slot
