package builtin

// A cell is a number of events and the total of their values.
type cell struct {
	n     uint64
	total sum
}

func (c *cell) reset() { *c = cell{} }

// add adds n events of value v. The total must be made normal afterwards.
func (c *cell) add(v float64, n uint64) {
	c.n = addCount(c.n, n)
	c.total.addProduct(v, n)
}

func (c *cell) merge(o *cell) {
	c.n = addCount(c.n, o.n)
	c.total.merge(o.total)
}

func mergeCells(dst, src *cell) { dst.merge(src) }

// appendJSON appends the rendering of the v1 API.
func (c *cell) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"count": `...)
	dst = appendCount(dst, c.n)
	dst = append(dst, `, "total": `...)
	dst = appendFixed(dst, c.total.hi, 2)
	dst = append(dst, `, "average": `...)
	average := 0.0
	if c.n > 0 {
		average = c.total.hi / float64(c.n)
	}
	dst = appendFixed(dst, average, 2)
	return append(dst, '}')
}
