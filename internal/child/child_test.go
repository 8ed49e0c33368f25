package child

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestPrepare(t *testing.T) {
	t.Setenv("TABA_SERVER_LISTEN", "127.0.0.1:1")
	t.Setenv("OTHER", "kept")
	cmd := exec.Command("env")
	Prepare(cmd)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if s := string(out); strings.Contains(s, "TABA_") || !strings.Contains(s, "OTHER=kept") {
		t.Errorf("the environment is %q, want that of the parent without TABA_…", s)
	}
	if own := os.Environ(); !strings.Contains(strings.Join(own, "\n"), "TABA_SERVER_LISTEN=") {
		t.Error("the parent's own environment has changed")
	}
}

func TestFreeAddress(t *testing.T) {
	addr, err := FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the free address is not free: %v", err)
	}
	_ = l.Close()
}
