package redisstore

import (
	"errors"

	"github.com/redis/rueidis"
)

// readOp reads values of a vbucket at one instant, in one round trip.
type readOp struct {
	vb  int
	lvl level
	ask [][]string
	use func(c *session, a answers) error
}

func (o *readOp) vbucket() int      { return o.vb }
func (o *readOp) level() level      { return o.lvl }
func (o *readOp) commands(b *batch) { b.together(o.ask) }
func (o *readOp) replies(c *session, r replies) (bool, error) {
	a, err := r.together()
	if err != nil {
		return false, err
	}
	return false, o.use(c, a)
}

// together adds commands that are done at one instant.
func (b *batch) together(ask [][]string) {
	b.add("MULTI")
	for _, words := range ask {
		b.add(words...)
	}
	b.add("EXEC")
}

// answers are those to commands that were done at one instant.
type answers []rueidis.RedisMessage

func (r replies) together() (answers, error) {
	m, err := r.last()
	if err != nil {
		return nil, err
	}
	list, err := m.ToArray()
	if err != nil {
		return nil, err
	}
	for i := range list {
		if err := list[i].Error(); err != nil && !rueidis.IsRedisNil(err) {
			return nil, err
		}
	}
	return list, nil
}

// text returns the answer at i; false if there is none.
func (a answers) text(i int) (string, bool, error) {
	if a[i].IsNil() {
		return "", false, nil
	}
	v, err := a[i].ToString()
	return v, err == nil, err
}

var errLost = errors.New("a key of the store is missing, the server has lost data; bring it back from a replica or a backup")

func (a answers) state(i int) (state, error) {
	v, ok, err := a.text(i)
	if err != nil || !ok {
		return state{}, errors.Join(err, errLost)
	}
	return decodeState(v)
}

func (a answers) ledger(i int) (ledger, error) {
	v, ok, err := a.text(i)
	if err != nil || !ok {
		return ledger{}, errors.Join(err, errLost)
	}
	return decodeLedger(v)
}

// heads reads a piece of the log.
func (a answers) heads(i int) ([]head, error) {
	list, err := a[i].AsStrSlice()
	if err != nil {
		return nil, err
	}
	heads := make([]head, len(list))
	for n, v := range list {
		if err := heads[n].decode(v); err != nil {
			return nil, err
		}
	}
	return heads, nil
}

// fields reads a hash.
func (a answers) fields(i int) (map[string]string, error) { return a[i].AsStrMap() }

// answersOf are the answers to commands that were done one by one. An error
// comes back when it is read.
func answersOf(rs []reply) answers {
	a := make(answers, len(rs))
	for i, r := range rs {
		a[i] = r.RedisMessage
	}
	return a
}
