// Package cli is what the sub-commands of taba share: it asks a server's HTTP
// API and shows the answers as tables for people or as JSON and CSV for
// programs. It speaks to servers as any other client does and imports nothing
// of ours.
//
// # Concurrency and back-pressure
//
// A Client is safe for concurrent use; each call is one request, whose answer
// is bounded (MaxAnswer). An Output belongs to one goroutine.
package cli
