package statsd

import (
	"net"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tabaproject/taba/internal/trail"
)

// Datagrams that the kernel hands over together stay apart: the last line of
// one has no newline behind it.
func TestDatagramsJoinedByTheKernel(t *testing.T) {
	s := newSink()
	o := testOptions(s)
	o.Trail = trail.New(trail.Options{})
	d := open(t, o)
	udp, err := d.OpenUDP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("udp", udp)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	const datagram = "joined:1|c\njoined:2|c"
	if e := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, len(datagram))
	}); e != nil || err != nil {
		t.Fatal(e, err)
	}
	if _, err := conn.Write([]byte(strings.Repeat(datagram, 20) + "joined:3|c")); err != nil {
		t.Fatal(err)
	}
	s.await(t, totals("joined", 41, 63))
	if got := metric(t, d, "taba_statsd_datagrams_total"); got != "21" {
		t.Errorf("%s datagrams, want 21", got)
	}
	if bad := o.Trail.All(); len(bad) > 0 {
		t.Errorf("bad lines %v", bad)
	}
}
