package app

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/gather"
	"github.com/tabaproject/taba/internal/ingest"
)

// slow is what a process has for slow senders: a file for what they have sent,
// and a room where their connections wait until all of it is there.
type slow struct {
	file *gather.File // nil: they are served like others
	room *gather.Room // nil: their connections are
}

// newSlow keeps a file in dir. Simulated disks are not for what may be lost.
func newSlow(dir string, l Limits, opts Options) slow {
	if l.GatherBytes == 0 || opts.FS != vfs.Default {
		return slow{}
	}
	return slow{file: gather.NewFile(dir, int64(l.GatherBytes))}
}

// roomShare is the part of the budget that requests may hold which the HTTP
// server receives itself, and again those that it is handed complete.
const roomShare = 32

// listeners returns those that srv is to accept from, for connections of ln.
func (f *front) listeners(srv *http.Server, ln net.Listener, l Limits) ([]net.Listener, error) {
	tcp, plain := ln.(*net.TCPListener)
	if f.slow.file == nil || !plain { // of what is encrypted nobody can say when it is complete
		return []net.Listener{ln}, nil
	}
	room, err := gather.NewRoom(tcp, gather.Options{
		File: f.slow.file, Share: int64(l.InFlightBytes) / roomShare,
		HeaderTimeout: l.HeaderTimeout, ReadTimeout: l.ReadTimeout,
		Worth: func(r *http.Request) bool { return f.worth(r, int64(l.BodyBytes)) },
	})
	if errors.Is(err, errors.ErrUnsupported) {
		return []net.Listener{ln}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("make room for slow senders: %w", err)
	}
	f.slow.room, srv.ConnState, srv.ConnContext = room, room.ConnState, room.ConnContext
	return []net.Listener{room.Door(), room}, nil
}

// worth reports whether the body of a request would be read: the others are
// refused at once.
func (f *front) worth(r *http.Request, limit int64) bool {
	return r.Method == http.MethodPost && r.ContentLength <= limit && f.writes[r.URL.Path] && f.auth.May(ingest.Write, r)
}

func (s *slow) close() {
	if s.file != nil {
		_ = s.file.Close() // it has no name and nobody misses it
	}
}

func (s *slow) writeMetrics(w io.Writer) {
	if s.file == nil {
		return
	}
	waiting := 0
	if s.room != nil {
		waiting = s.room.Waiting()
	}
	metrics.WriteGaugeUint64(w, "taba_waiting_connections", uint64(waiting))
	metrics.WriteGaugeUint64(w, "taba_gathered_used_bytes", uint64(s.file.Held()))
	metrics.WriteGaugeUint64(w, "taba_gathered_max_bytes", uint64(s.file.Max()))
	metrics.WriteCounterUint64(w, "taba_gathered_bytes_total", s.file.Written())
}

// pace is how long a commit takes at present.
func pace(l *Latency) func() time.Duration {
	return func() time.Duration { return time.Duration(l.Median() * latencyUnit) }
}
