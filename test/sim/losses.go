package sim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// lastPosts has every agent send something to every vbucket, so that it meets the
// store that there is now and learns what it lacks.
func (w *World) lastPosts() {
	for _, a := range w.agents {
		for range 4 * w.mix.VBuckets {
			a.post()
		}
	}
	for range restRounds {
		w.now += time.Second
		w.settle()
	}
}

// losses compares what agents say is lost with what is missing from an answer. What
// an agent took but could not acknowledge may be missing, or not, as well. What was
// released under an id that forked is not known to anybody.
func (w *World) losses(a answer) (err error) {
	counted := map[uint32]bool{}
	for _, text := range a {
		for _, word := range strings.Fields(text) {
			id, _ := strconv.Atoi(word) // check has seen that it is one
			counted[uint32(id)] = true
		}
	}
	for _, a := range w.agents {
		missing := func(list []uint32) (n uint64) {
			for _, id := range list {
				if !counted[id] && !w.book.fates[id].held {
					n++
				}
			}
			return n
		}
		acknowledged, tried := missing(a.own), missing(a.tried)
		st := a.step.Status()
		if l := st.Losses; l.Total() > tried || l.InDoubt == 0 && l.Total() < acknowledged {
			err = errors.Join(err, fmt.Errorf("%s says that %d events are lost and %d in doubt; of those it acknowledged %d are missing, of all it was posted %d", a.name, l.Total(), l.InDoubt, acknowledged, tried))
		}
	}
	return err
}
