package view

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Lacks collects which vbuckets an answer lacks, because they could not be
// read. The zero value lacks nothing. It is safe for concurrent use.
type Lacks struct {
	mu  sync.Mutex
	vbs []int
	err error // the first
}

func (l *Lacks) add(vb int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.vbs, vb) {
		l.vbs = append(l.vbs, vb)
		slices.Sort(l.vbs)
	}
	if l.err == nil {
		l.err = err
	}
}

// Any reports whether anything is lacking.
func (l *Lacks) Any() bool { return l != nil && len(l.VBuckets()) > 0 }

// VBuckets returns the numbers of those that are lacking, sorted.
func (l *Lacks) VBuckets() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.vbs)
}

// Err returns why, as an UnreadError; nil if nothing is lacking.
func (l *Lacks) Err() error {
	if !l.Any() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return &UnreadError{VBuckets: slices.Clone(l.vbs), Err: l.err}
}

// An UnreadError says that vbuckets could not be read.
type UnreadError struct {
	VBuckets []int
	Err      error // why not, of the first that was tried
}

func (e *UnreadError) Error() string {
	return fmt.Sprintf("%s cannot be read: %v", e.Which(), e.Err)
}

func (e *UnreadError) Unwrap() error { return e.Err }

// Which names the vbuckets, as in "vbuckets 0-3, 7".
func (e *UnreadError) Which() string {
	var spans []string
	for i := 0; i < len(e.VBuckets); {
		j := i
		for j+1 < len(e.VBuckets) && e.VBuckets[j+1] == e.VBuckets[j]+1 {
			j++
		}
		if i == j {
			spans = append(spans, fmt.Sprint(e.VBuckets[i]))
		} else {
			spans = append(spans, fmt.Sprintf("%d-%d", e.VBuckets[i], e.VBuckets[j]))
		}
		i = j + 1
	}
	if len(e.VBuckets) == 1 {
		return "vbucket " + spans[0]
	}
	return "vbuckets " + strings.Join(spans, ", ")
}
