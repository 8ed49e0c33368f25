package app

import (
	"sync"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
)

// learnedTypes remembers the Type under which an agent first took each tab, so
// that later events of another Type fold as it or are refused before they are
// acknowledged, as a server would do. It is bounded: an agent takes no more tabs
// than that.
type learnedTypes struct {
	max    int
	mu     sync.RWMutex
	byName map[store.TabName]string
}

// tabs is how many there are.
func (l *learnedTypes) tabs() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.byName)
}

// TypeOf implements ingest.TypeTable.
func (l *learnedTypes) TypeOf(namespace, tab string) (string, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	typ, ok := l.byName[store.TabName{Namespace: namespace, Name: tab}]
	return typ, ok
}

// learn remembers the Types of the tabs in acc that are new.
func (l *learnedTypes) learn(acc *fold.Accumulator) {
	var fresh []store.Tab
	for t := range acc.Tabs {
		if _, known := l.TypeOf(t.Namespace, t.Name); !known {
			fresh = append(fresh, t)
		}
	}
	if len(fresh) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range fresh {
		name := store.TabName{Namespace: t.Namespace, Name: t.Name}
		if _, known := l.byName[name]; !known && len(l.byName) < l.max {
			l.byName[name] = t.Type
		}
	}
}
