package source

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// consumer takes what a decoder finds: each series, then its points. Labels
// are the consumer's to keep.
type consumer interface {
	series(labels map[string]string) error
	// point is a value at a time in Unix milliseconds.
	point(at int64, value float64) error
}

// limits of what is taken for an answer of an engine.
const (
	maxText  = 1 << 20 // bytes of a label, a name, a message
	maxDepth = 64      // nesting of what is skipped
)

// ErrNotAPI is wrapped where what came back is no answer of the Prometheus HTTP
// API, such as a web page: somebody else is at the address.
var ErrNotAPI = errors.New("not an answer of the Prometheus HTTP API")

// decoder reads the JSON of answers as it arrives: it keeps one series' labels
// and nothing else, however long the answer.
type decoder struct {
	r    *bufio.Reader
	text []byte // of the string or number at hand
}

func newDecoder(r io.Reader) *decoder {
	return &decoder{r: bufio.NewReaderSize(r, 1<<16)}
}

// answer is what stands around the data.
type answer struct {
	status, kind, message string
	warnings              []string
	partial               bool
	complete              bool // the closing brace was seen
}

// result reads an answer of query or query_range.
func (d *decoder) result(to consumer) (answer, error) {
	return d.answer(func() error { return d.data(to) })
}

// list reads an answer of series: an array of label sets.
func (d *decoder) list(each func(map[string]string) error) (answer, error) {
	return d.answer(func() error {
		return d.array(func() error {
			labels, err := d.labels()
			if err != nil {
				return err
			}
			return each(labels)
		})
	})
}

// answer reads what stands around the data, and the data as it says.
func (d *decoder) answer(data func() error) (answer, error) {
	var a answer
	err := d.object(func(key string) (err error) {
		switch key {
		case "status":
			a.status, err = d.str()
		case "errorType":
			a.kind, err = d.str()
		case "error":
			a.message, err = d.str()
		case "isPartial":
			var word string
			word, err = d.word()
			a.partial = word == "true"
		case "warnings":
			a.warnings, err = d.strings()
		case "data":
			err = data()
		default:
			err = d.skip(0)
		}
		return err
	})
	a.complete = err == nil
	return a, err
}

func (d *decoder) data(to consumer) error {
	if null, err := d.null(); null || err != nil {
		return err
	}
	return d.object(func(key string) error {
		if key != "result" {
			return d.skip(0)
		}
		c, err := d.peek()
		if err != nil {
			return err
		}
		if c != '[' {
			return d.skip(0)
		}
		return d.array(func() error { return d.element(to) })
	})
}

// element reads a series with its values, or its one value.
func (d *decoder) element(to consumer) error {
	if c, err := d.peek(); err != nil || c != '{' { // a scalar is two numbers
		if err != nil {
			return err
		}
		return d.skip(0)
	}
	known := false
	return d.object(func(key string) error {
		switch key {
		case "metric":
			labels, err := d.labels()
			if err != nil {
				return err
			}
			known = true
			return to.series(labels)
		case "values", "value":
			if !known {
				return fmt.Errorf("%w: values before the labels", ErrNotAPI)
			}
			if key == "value" {
				return d.pair(to)
			}
			return d.array(func() error { return d.pair(to) })
		}
		return d.skip(0)
	})
}

// sight is how far the fast ways look ahead: more than two numbers and what is
// between them.
const sight = 80

// tens are the powers of ten that a float holds exactly.
var tens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// plain reads digits with a point or without, of at most 15 digits so that the
// quotient of two exact floats is the nearest one; n is 0 where it is not that.
func plain(b []byte) (value float64, n int) {
	var whole uint64
	digits, point := 0, -1
	for n < len(b) {
		c := b[n]
		if c >= '0' && c <= '9' {
			whole = whole*10 + uint64(c-'0')
			if digits++; digits > 15 {
				return 0, 0
			}
		} else if c == '.' && point < 0 && digits > 0 {
			point = digits
		} else {
			break
		}
		n++
	}
	if digits == 0 || n == len(b) || point == digits || b[n] == 'e' || b[n] == 'E' || b[n] == '.' {
		return 0, 0
	}
	if point < 0 {
		return float64(whole), n
	}
	return float64(whole) / tens[digits-point], n
}

// fastPair is pair where it stands in what is read already and is plain.
func (d *decoder) fastPair(to consumer) (bool, error) {
	b, _ := d.r.Peek(sight)
	if len(b) < 8 || b[0] != '[' {
		return false, nil
	}
	at, n := plain(b[1:])
	i := 1 + n
	if n == 0 || i+2 >= len(b) || b[i] != ',' || b[i+1] != '"' {
		return false, nil
	}
	i += 2
	v, m := plain(b[i:])
	i += m
	if m == 0 || i+1 >= len(b) || b[i] != '"' || b[i+1] != ']' {
		return false, nil
	}
	if _, err := d.r.Discard(i + 2); err != nil {
		return false, err
	}
	return true, to.point(int64(at*1000+0.5), v)
}

// fastNumber is a number that is plain and stands in what is read already,
// before a comma or the end of an array.
func (d *decoder) fastNumber() (float64, bool) {
	b, _ := d.r.Peek(sight / 2)
	v, n := plain(b)
	if n == 0 || b[n] != ',' && b[n] != ']' {
		return 0, false
	}
	if _, err := d.r.Discard(n); err != nil {
		return 0, false
	}
	return v, true
}

// pair reads [1704067200.123,"0.5"].
func (d *decoder) pair(to consumer) error {
	if done, err := d.fastPair(to); done || err != nil {
		return err
	}
	if err := d.expect('['); err != nil {
		return err
	}
	at, err := d.time()
	if err != nil {
		return err
	}
	if err := d.expect(','); err != nil {
		return err
	}
	if err := d.expect('"'); err != nil {
		return err
	}
	if err := d.until('"'); err != nil {
		return err
	}
	v, err := strconv.ParseFloat(string(d.text), 64)
	if err != nil {
		return fmt.Errorf("%w: value %q", ErrNotAPI, clip(string(d.text)))
	}
	if err := d.expect(']'); err != nil {
		return err
	}
	return to.point(at, v)
}

// until reads up to a byte that is not part of an escape; nothing before it may
// be one.
func (d *decoder) until(stop byte) error {
	d.text = d.text[:0]
	for {
		c, err := d.r.ReadByte()
		switch {
		case err != nil:
			return cut(err)
		case c == stop:
			return nil
		case c == '\\' || len(d.text) > 64:
			return fmt.Errorf("%w: value %q", ErrNotAPI, d.text)
		}
		d.text = append(d.text, c)
	}
}

// time reads seconds with a fraction as milliseconds.
func (d *decoder) time() (int64, error) {
	word, err := d.number()
	if err != nil {
		return 0, err
	}
	var whole int64
	i := 0
	for ; i < len(word) && word[i] >= '0' && word[i] <= '9' && i < 15; i++ {
		whole = whole*10 + int64(word[i]-'0')
	}
	if i == len(word) && i > 0 {
		return whole * 1000, nil
	}
	if rest := word[i:]; i > 0 && len(rest) >= 2 && len(rest) <= 4 && rest[0] == '.' {
		var fraction int64
		for j := 1; j < 4; j++ {
			fraction *= 10
			if j < len(rest) {
				if rest[j] < '0' || rest[j] > '9' {
					fraction = -1
					break
				}
				fraction += int64(rest[j] - '0')
			}
		}
		if fraction >= 0 {
			return whole*1000 + fraction, nil
		}
	}
	f, err := strconv.ParseFloat(string(word), 64)
	if err != nil || math.Abs(f) > 1e15 {
		return 0, fmt.Errorf("%w: time %q", ErrNotAPI, clip(string(word)))
	}
	return int64(math.Round(f * 1000)), nil
}

// number reads the bytes of a number. They are valid until the next read.
func (d *decoder) number() ([]byte, error) {
	if err := d.blank(); err != nil {
		return nil, err
	}
	d.text = d.text[:0]
	for {
		c, err := d.r.ReadByte()
		if err != nil {
			return nil, cut(err)
		}
		switch {
		case c >= '0' && c <= '9', c == '.', c == '-', c == '+', c == 'e', c == 'E':
			d.text = append(d.text, c)
		default:
			if len(d.text) == 0 {
				return nil, fmt.Errorf("%w: %q where a number should be", ErrNotAPI, c)
			}
			return d.text, d.r.UnreadByte()
		}
		if len(d.text) > 64 {
			return nil, fmt.Errorf("%w: number %q", ErrNotAPI, d.text)
		}
	}
}

// word reads true, false, null or a number.
func (d *decoder) word() (string, error) {
	if err := d.blank(); err != nil {
		return "", err
	}
	d.text = d.text[:0]
	for {
		c, err := d.r.ReadByte()
		if err != nil {
			return "", cut(err)
		}
		if c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t' {
			return string(d.text), d.r.UnreadByte()
		}
		if d.text = append(d.text, c); len(d.text) > 64 {
			return "", fmt.Errorf("%w: %q", ErrNotAPI, d.text)
		}
	}
}

func (d *decoder) null() (bool, error) {
	c, err := d.peek()
	if err != nil || c != 'n' {
		return false, err
	}
	_, err = d.word()
	return true, err
}

// blank skips white space.
func (d *decoder) blank() error {
	for {
		c, err := d.r.ReadByte()
		if err != nil {
			return cut(err)
		}
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return d.r.UnreadByte()
		}
	}
}

func (d *decoder) peek() (byte, error) {
	if err := d.blank(); err != nil {
		return 0, err
	}
	b, err := d.r.Peek(1)
	if err != nil {
		return 0, cut(err)
	}
	return b[0], nil
}

func (d *decoder) expect(want byte) error {
	c, err := d.r.ReadByte()
	if err == nil && c != want {
		if err = d.r.UnreadByte(); err == nil {
			if err = d.blank(); err == nil {
				c, err = d.r.ReadByte()
			}
		}
	}
	if err != nil {
		return cut(err)
	}
	if c != want {
		return fmt.Errorf("%w: %q where %q should be", ErrNotAPI, c, want)
	}
	return nil
}

// str reads a string.
func (d *decoder) str() (string, error) {
	if err := d.expect('"'); err != nil {
		return "", err
	}
	d.text = append(d.text[:0], '"')
	plain := true
	for {
		c, err := d.r.ReadByte()
		if err != nil {
			return "", cut(err)
		}
		d.text = append(d.text, c)
		if c == '"' {
			break
		}
		if c == '\\' {
			plain = false
			if c, err = d.r.ReadByte(); err != nil {
				return "", cut(err)
			}
			d.text = append(d.text, c)
		}
		if len(d.text) > maxText {
			return "", fmt.Errorf("%w: a text of more than %d bytes", ErrNotAPI, maxText)
		}
	}
	if plain {
		return string(d.text[1 : len(d.text)-1]), nil
	}
	return unquote(d.text)
}

func (d *decoder) strings() (list []string, err error) {
	if null, err := d.null(); null || err != nil {
		return nil, err
	}
	return list, d.array(func() error {
		s, err := d.str()
		if len(list) < 100 {
			list = append(list, s)
		}
		return err
	})
}

func (d *decoder) labels() (map[string]string, error) {
	labels := make(map[string]string, 8)
	return labels, d.object(func(key string) (err error) {
		labels[key], err = d.str()
		return err
	})
}

// object calls a function for each key, which reads the value.
func (d *decoder) object(each func(key string) error) error {
	if err := d.expect('{'); err != nil {
		return err
	}
	if c, err := d.peek(); err != nil || c == '}' {
		if err == nil {
			_, err = d.r.ReadByte()
		}
		return err
	}
	for {
		key, err := d.str()
		if err != nil {
			return err
		}
		if err := d.expect(':'); err != nil {
			return err
		}
		if err := each(key); err != nil {
			return err
		}
		if more, err := d.more('}'); err != nil || !more {
			return err
		}
	}
}

// array calls a function for each element, which reads it.
func (d *decoder) array(each func() error) error {
	if err := d.expect('['); err != nil {
		return err
	}
	if c, err := d.peek(); err != nil || c == ']' {
		if err == nil {
			_, err = d.r.ReadByte()
		}
		return err
	}
	for {
		if err := each(); err != nil {
			return err
		}
		if more, err := d.more(']'); err != nil || !more {
			return err
		}
	}
}

// more reads a comma, or the end.
func (d *decoder) more(end byte) (bool, error) {
	c, err := d.r.ReadByte()
	if err == nil && c != ',' && c != end {
		if err = d.r.UnreadByte(); err == nil {
			if err = d.blank(); err == nil {
				c, err = d.r.ReadByte()
			}
		}
	}
	switch {
	case err != nil:
		return false, cut(err)
	case c == ',':
		return true, nil
	case c == end:
		return false, nil
	}
	return false, fmt.Errorf("%w: %q where ',' or %q should be", ErrNotAPI, c, end)
}

// skip reads past any value.
func (d *decoder) skip(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: nested more than %d deep", ErrNotAPI, maxDepth)
	}
	c, err := d.peek()
	if err != nil {
		return err
	}
	switch c {
	case '{':
		return d.object(func(string) error { return d.skip(depth + 1) })
	case '[':
		return d.array(func() error { return d.skip(depth + 1) })
	case '"':
		_, err = d.str()
		return err
	}
	word, err := d.word()
	if err == nil && word == "" {
		err = fmt.Errorf("%w: a value is missing", ErrNotAPI)
	}
	return err
}

// over says that nothing is left but white space. An answer that was cut off
// is not over.
func (d *decoder) over() (bool, error) {
	for {
		switch c, err := d.r.ReadByte(); {
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, err
		case c != ' ' && c != '\n' && c != '\r' && c != '\t':
			return false, d.r.UnreadByte()
		}
	}
}

// lines reads what VictoriaMetrics exports: an object a line, with a part of a
// series' values and times.
func (d *decoder) lines(to consumer) error {
	var values []float64
	var times []int64
	for {
		if over, err := d.over(); over || err != nil {
			return err
		}
		values, times = values[:0], times[:0]
		err := d.object(func(key string) (err error) {
			switch key {
			case "metric":
				labels, err := d.labels()
				if err != nil {
					return err
				}
				return to.series(labels)
			case "values":
				return d.array(func() error {
					if v, ok := d.fastNumber(); ok {
						values = append(values, v)
						return nil
					}
					v, err := d.float()
					values = append(values, v)
					return err
				})
			case "timestamps":
				return d.array(func() error {
					if v, ok := d.fastNumber(); ok {
						times = append(times, int64(v))
						if v != math.Trunc(v) {
							return fmt.Errorf("%w: time %g", ErrNotAPI, v)
						}
						return nil
					}
					word, err := d.number()
					if err != nil {
						return err
					}
					t, err := strconv.ParseInt(string(word), 10, 64)
					if err != nil {
						return fmt.Errorf("%w: time %q", ErrNotAPI, word)
					}
					times = append(times, t)
					return nil
				})
			}
			return d.skip(0)
		})
		if err != nil {
			return err
		}
		if len(values) != len(times) {
			return fmt.Errorf("%w: %d values at %d times", ErrNotAPI, len(values), len(times))
		}
		for i, t := range times {
			if err := to.point(t, values[i]); err != nil {
				return err
			}
		}
	}
}

// float reads a number, or null, or a text such as "NaN".
func (d *decoder) float() (float64, error) {
	c, err := d.peek()
	if err != nil {
		return 0, err
	}
	switch c {
	case 'n':
		_, err := d.word()
		return math.NaN(), err
	case '"':
		s, err := d.str()
		if err != nil {
			return 0, err
		}
		v, err := strconv.ParseFloat(strings.Replace(s, "Infinity", "Inf", 1), 64)
		if err != nil {
			return 0, fmt.Errorf("%w: value %q", ErrNotAPI, clip(s))
		}
		return v, nil
	}
	word, err := d.number()
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseFloat(string(word), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%w: value %q", ErrNotAPI, word)
	}
	return v, nil
}

// cut says of an answer that ends too early that it does.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// clip keeps the beginning and the end of a text for an error: some engines
// begin with the query and end with what is wrong.
func clip(s string) string {
	if len(s) > 400 {
		return s[:150] + " ... " + s[len(s)-240:]
	}
	return s
}
