package verify

import "sync"

// outcome is what became of a post.
type outcome uint8

const (
	notSent outcome = iota
	underWay
	acknowledged
	inDoubt
)

// ledger is what one writer remembers: the outcome of each of its posts, by
// number. It is safe for concurrent use.
type ledger struct {
	mu    sync.Mutex
	posts []outcome
	count [inDoubt + 1]uint64
}

// next begins a post and returns its number.
func (l *ledger) next() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.posts = append(l.posts, underWay)
	l.count[underWay]++
	return len(l.posts) - 1
}

// settle notes the outcome of a post.
func (l *ledger) settle(n int, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count[l.posts[n]]--
	l.count[o]++
	l.posts[n] = o
}

// page returns the outcomes of a page's posts as they are now.
func (l *ledger) page(p int) (posts [pageSize]outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if from := p * pageSize; from < len(l.posts) {
		copy(posts[:], l.posts[from:])
	}
	return posts
}

// pages is how many pages have been begun.
func (l *ledger) pages() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return (len(l.posts) + pageSize - 1) / pageSize
}

// counts returns how many posts there are of each outcome.
func (l *ledger) counts() [inDoubt + 1]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}
