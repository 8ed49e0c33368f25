package app

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"testing"
)

func TestOnlyWhatIsInFilesIsLetGo(t *testing.T) {
	got := filesOnly([]byte(`00400000-00402000 r--p 00000000 fe:00 7 /usr/bin/taba
Rss:                   8 kB
Anonymous:             0 kB
00402000-01000000 r-xp 00002000 fe:00 7 /usr/bin/taba (deleted)
Anonymous:             0 kB
01000000-01001000 r--p 00c00000 fe:00 7 /usr/bin/taba
Anonymous:             4 kB
01001000-01002000 rw-p 00c01000 fe:00 7 /usr/bin/taba
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Anonymous:             0 kB
7fff0000-7fff1000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
7ffff000-70000000000 r--s 00000000 fe:00 9 /var/lib/shared
Anonymous:             0 kB
`))
	want := []mapping{{0x400000, 0x402000}, {0x402000, 0x1000000}}
	if !slices.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

func TestProgramIsLetGo(t *testing.T) {
	mapped := func() int {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(status) {
			if f := bytes.Fields(line); string(f[0]) == "RssFile:" {
				n, _ := strconv.Atoi(string(f[1]))
				return n
			}
		}
		t.Fatal("the system does not tell what is resident of files")
		return 0
	}
	before := mapped()
	releaseProgram()
	if after := mapped(); after > before*3/4 {
		t.Errorf("%d kB of files are mapped, %d before", after, before)
	}
}
