package pricing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// encoder writes the rows of a section. Texts go into a table by their first
// use, which the decoder reads first.
type encoder struct {
	b     []byte
	index map[string]int
	table []string
}

func (e *encoder) uint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) int(v int64)   { e.b = binary.AppendVarint(e.b, v) }

func (e *encoder) text(s string) {
	i, ok := e.index[s]
	if !ok {
		if e.index == nil {
			e.index = make(map[string]int)
		}
		i = len(e.table)
		e.index[s] = i
		e.table = append(e.table, s)
	}
	e.uint(uint64(i))
}

func (e *encoder) bool(v bool) {
	if v {
		e.uint(1)
	} else {
		e.uint(0)
	}
}

func (e *encoder) price(p money.Price) {
	e.text(string(p.Currency()))
	if p.IsZero() {
		return
	}
	m, decimals := p.Number().Scaled()
	e.int(m)
	e.uint(uint64(decimals))
}

func (e *encoder) time(t time.Time) { e.seconds(unixOf(t)) }

// seconds writes noTime as 0 and everything else one further from zero.
func (e *encoder) seconds(s int64) {
	switch {
	case s == noTime:
		e.int(0)
	case s >= 0:
		e.int(s + 1)
	default:
		e.int(s)
	}
}

func (e *encoder) term(t Term) {
	e.uint(uint64(t.Years))
	e.text(string(t.Payment))
	e.text(t.Class)
}

// section returns the table of texts and the rows.
func (e *encoder) section() []byte {
	out := binary.AppendUvarint(nil, uint64(len(e.table)))
	for _, s := range e.table {
		out = binary.AppendUvarint(out, uint64(len(s)))
		out = append(out, s...)
	}
	return append(out, e.b...)
}

var errShort = errors.New("ends too early")

// decoder reads the rows of a section. The first error sticks, and every later
// call returns zero values.
type decoder struct {
	b     []byte
	table []string
	err   error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err, d.b = err, nil
	}
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads the number of things of at least one byte each that follow.
func (d *decoder) count() int {
	v := d.uint()
	if v > uint64(len(d.b)) {
		d.fail(errShort)
		return 0
	}
	return int(v)
}

func (d *decoder) readTable() {
	n := d.count()
	for range n {
		size := d.count()
		if d.err != nil {
			return
		}
		d.table = append(d.table, string(d.b[:size]))
		d.b = d.b[size:]
	}
}

func (d *decoder) text() string {
	i := d.uint()
	if i >= uint64(len(d.table)) {
		d.fail(fmt.Errorf("text %d of %d", i, len(d.table)))
		return ""
	}
	return d.table[i]
}

func (d *decoder) bool() bool { return d.uint() == 1 }

func (d *decoder) price() money.Price {
	c := money.Currency(d.text())
	if c == "" {
		return money.Price{}
	}
	m, decimals := d.int(), d.uint()
	if !c.Valid() || decimals > 18 || m > 1e18-1 || m < -1e18+1 {
		d.fail(fmt.Errorf("price %d / 10^%d %q", m, decimals, c))
		return money.Price{}
	}
	return money.PriceOf(money.FromScaled(m, int(decimals)), c)
}

// maxSeconds is the end of the year 9999.
const maxSeconds = 253402300799

func (d *decoder) seconds() int64 {
	s := d.int()
	if s == 0 {
		return noTime
	}
	if s > 0 {
		s--
	}
	if s > maxSeconds || s < -maxSeconds {
		d.fail(fmt.Errorf("time %d is out of range", s))
		return noTime
	}
	return s
}

func (d *decoder) time() time.Time { return timeOf(d.seconds()) }

func (d *decoder) term() Term {
	years := d.uint()
	if years > math.MaxInt16 {
		d.fail(fmt.Errorf("a term of %d years", years))
	}
	return Term{Years: int(years), Payment: Payment(d.text()), Class: d.text()}
}

func (d *decoder) purchase() Purchase {
	s := d.text()
	if d.err != nil {
		return ""
	}
	p, err := ParsePurchase(s)
	if err != nil || string(p) != s {
		d.fail(fmt.Errorf("purchase option %q", s))
	}
	return p
}
