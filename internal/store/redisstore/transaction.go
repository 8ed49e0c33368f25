package redisstore

import (
	"slices"

	"github.com/redis/rueidis"
)

// A server that syncs what it wrote before it answers does so once for all that
// it executes between two looks at its connections. It reads a long argument by
// itself: a round trip of many bodies would be as many syncs. The commands of a
// transaction are executed all at once, when its end is read. So bodies that
// leave together share transactions, with the scripts that link them.
//
// A transaction is refused as a whole if the server refuses to queue any command
// of it: it is out of memory, say, or has given the slot away. Nothing was done
// then, and what was in it is sent again without one: so each operation meets
// what it would have met alone.

// maxTransaction is from how many bytes of bodies on a transaction takes no more:
// less than twice as many share one. An operation that has as many goes by itself.
// What shares a transaction is queued, copied and written to the file, and others
// wait meanwhile. This many bytes stay in a processor's cache until they are
// written: with more of them Redis takes longer, see BenchmarkTransaction.
const maxTransaction = 1 << 20

// readTogether is how many bytes a server reads at least, if they are there: so
// many need no transaction to be executed together.
const readTogether = 16 << 10

// shares is how many bytes of bodies share a transaction: more than least, and
// none are added to most. There are no transactions if most is negative.
type shares struct{ least, most int }

// change is an operation that changes a vbucket.
type change interface {
	op
	// handed is what the commands that were added last hand over. ok: they
	// change something, and may be part of a transaction.
	handed() (bodies, bytes int, ok bool)
	// undone says that none of them was executed.
	undone(c *session)
}

// transaction is commands that are executed at once: those between MULTI and
// EXEC.
type transaction struct {
	from, to int
	tasks    []*task
	bodies   int
	bytes    int
	large    bool // it is one task, which has as much as shares one
}

// take adds the commands of tasks: changes, in transactions where that pays, and
// then what reads. It returns the tasks in that order.
func (b *batch) take(tasks []*task) []*task {
	var changes, others []*task
	for _, t := range tasks {
		t.from = len(b.cmds)
		t.op.commands(b)
		t.to = len(b.cmds)
		t.within = nil
		if o, is := t.op.(change); is {
			if _, _, ok := o.handed(); ok {
				changes = append(changes, t)
				continue
			}
		}
		others = append(others, t)
	}
	if len(changes) > 0 && b.share.most > 0 {
		b.arrange(changes, others)
	}
	return append(changes, others...)
}

// arrange puts changes, in transactions, before other commands.
func (b *batch) arrange(changes, others []*task) {
	cmds := b.cmds
	b.cmds = make([]rueidis.Completed, 0, len(cmds)+len(changes)+1)
	move := func(t *task) {
		from := len(b.cmds)
		b.cmds = append(b.cmds, cmds[t.from:t.to]...)
		t.from, t.to = from, len(b.cmds)
	}
	for _, x := range b.transactionsOf(changes) {
		if !b.pays(x) {
			for _, t := range x.tasks {
				move(t)
			}
			continue
		}
		b.add("MULTI")
		x.from = len(b.cmds)
		for _, t := range x.tasks {
			move(t)
			t.within = x
		}
		x.to = len(b.cmds)
		b.add("EXEC")
		b.transactions = append(b.transactions, x)
	}
	for _, t := range others {
		move(t)
	}
}

// pays reports whether a transaction does.
func (b *batch) pays(x *transaction) bool {
	return x.bodies > 1 && x.bytes > b.share.least && x.bytes < 2*b.share.most && !x.tasks[0].alone
}

// transactionsOf divides changes. In a Cluster a transaction is of one slot.
func (b *batch) transactionsOf(changes []*task) (list []*transaction) {
	x := &transaction{}
	for i, t := range changes {
		bodies, bytes, _ := t.op.(change).handed()
		if i > 0 && (b.apart(changes[i-1], t) || x.bytes >= b.share.most || bytes >= b.share.most || x.large) {
			list = append(list, x)
			x = &transaction{}
		}
		x.large = bytes >= b.share.most
		x.tasks = append(x.tasks, t)
		x.bodies += bodies
		x.bytes += bytes
	}
	return append(list, x)
}

// apart reports whether two tasks cannot share a transaction.
func (b *batch) apart(s, t *task) bool {
	return s.alone || t.alone || b.c.h.s.opts.Kind == Cluster && s.op.vbucket() != t.op.vbucket()
}

// reply is the answer to a command.
type reply struct {
	rueidis.RedisMessage
	err error
}

// repliesTo gives each command its answer, wherever it was executed. It returns
// which transactions were refused.
func (b *batch) repliesTo(rs []rueidis.RedisResult) (all []reply, refused []*transaction) {
	all = make([]reply, len(rs))
	for i, r := range rs {
		all[i].RedisMessage, all[i].err = r.ToMessage()
	}
	for _, x := range b.transactions {
		list, err := all[x.to].ToArray()
		if all[x.to].err != nil || err != nil || len(list) != x.to-x.from {
			refused = append(refused, x)
			continue
		}
		for i, m := range list {
			all[x.from+i] = reply{m, m.Error()}
		}
	}
	return all, refused
}

// divide takes what was in refused transactions out of them: each goes on alone.
func (c *session) divide(tasks []*task, refused []*transaction) (again, left []*task) {
	if len(refused) == 0 {
		return nil, tasks
	}
	for _, t := range tasks {
		if !slices.Contains(refused, t.within) {
			left = append(left, t)
			continue
		}
		t.op.(change).undone(c)
		t.alone = true
		again = append(again, t)
	}
	return again, left
}
