package redisrun

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProgram: Redis is started if it is there, else Valkey.
func TestProgram(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if err := Installed(); err == nil || !strings.Contains(err.Error(), "neither redis-server nor valkey-server is found") {
		t.Errorf("with neither: got %v", err)
	}
	for _, name := range []string{"valkey-server", "redis-server"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
		got, path, err := program()
		if err != nil || got != name || path != filepath.Join(dir, name) {
			t.Errorf("got %q at %q, %v, want %s", got, path, err, name)
		}
	}
}
