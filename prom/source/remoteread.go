package source

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/s2"
)

// This is the client's half of Prometheus' remote read with streamed chunks: a
// message of selectors, compressed with Snappy, and an answer of frames that
// hold series with chunks as they are stored. The engine computes nothing, so
// that it is its cheapest door. The messages are few and fixed, and the reading
// of them is here whole: the engine's own library brings the engine along.

// streamed is the kind of answer that is asked for.
const streamed = "application/x-streamed-protobuf"

// limits of what is taken for a frame: engines send about a megabyte, or one
// chunk where that is larger.
const maxFrame = 64 << 20

// matcher is one condition of a selector.
type matcher struct {
	kind        byte // 0 =, 1 !=, 2 =~, 3 !~, as the protocol counts them
	name, value string
}

var matcherText = regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|` + "`[^`]*`" + `)\s*(,|$)`)

// matchersOf reads the inside of a selector. What it does not understand, such
// as names in quotes, an engine may: then it is asked by queries.
func matchersOf(text string) ([]matcher, error) {
	var out []matcher
	for rest := text; strings.TrimSpace(rest) != ""; {
		m := matcherText.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("%w: selector %s", errNotRaw, clip(text))
		}
		rest = rest[len(m[0]):]
		value, err := unquoteMatcher(m[3])
		if err != nil {
			return nil, fmt.Errorf("%w: selector %s", errNotRaw, clip(text))
		}
		out = append(out, matcher{map[string]byte{"=": 0, "!=": 1, "=~": 2, "!~": 3}[m[2]], m[1], value})
	}
	return out, nil
}

// unquoteMatcher reads a text in any of the three quotes of PromQL.
func unquoteMatcher(s string) (string, error) {
	if s[0] == '\'' {
		s = strings.ReplaceAll(strings.ReplaceAll(s[1:len(s)-1], `\'`, `'`), `"`, `\"`)
		return strconv.Unquote(`"` + s + `"`)
	}
	return strconv.Unquote(s)
}

// appendField appends a field of a message that has a length.
func appendField(to []byte, number byte, data []byte) []byte {
	to = binary.AppendUvarint(append(to, number<<3|2), uint64(len(data)))
	return append(to, data...)
}

// readRequest is the message that asks for the samples of selectors with
// from <= time <= to.
func readRequest(selectors [][]matcher, from, to int64) []byte {
	var out []byte
	for _, list := range selectors {
		q := binary.AppendUvarint([]byte{1 << 3}, uint64(from))
		q = binary.AppendUvarint(append(q, 2<<3), uint64(to))
		for _, m := range list {
			text := []byte{1 << 3, m.kind}
			text = appendField(text, 2, []byte(m.name))
			q = appendField(q, 3, appendField(text, 3, []byte(m.value)))
		}
		out = appendField(out, 1, q)
	}
	const streamedChunks = 1
	return append(out, 2<<3, streamedChunks)
}

// rawConsumer takes the series of an answer, each whole.
type rawConsumer interface {
	// samples are those of a series of a selector, in time order, without marks of
	// an end. The slices are valid until it returns.
	samples(selector int, labels map[string]string, times []int64, values []float64) error
}

// readRaw reads the samples of selectors, insides of braces, with
// from <= time <= to as they are stored.
func (s *Source) readRaw(ctx context.Context, selectors []string, from, to int64, what string, start func() rawConsumer) error {
	var parsed [][]matcher
	var shown []string
	for _, text := range selectors {
		list, err := matchersOf(text)
		if err != nil {
			return err
		}
		parsed, shown = append(parsed, list), append(shown, "{"+text+"}")
	}
	query := strings.Join(shown, " ")
	s.told(remoteRead, query, time.UnixMilli(from), time.UnixMilli(to), 0)
	r := request{path: remoteRead, what: what, asked: query, body: s2.EncodeSnappy(nil, readRequest(parsed, from, to)), accept: streamed}
	return s.client.read(ctx, r, func(d *decoder) (answer, error) {
		f := &frames{r: d.r, from: from, to: to, consumer: start()}
		return answer{complete: true}, f.read()
	})
}

const remoteRead = "api/v1/read"

// errNotRaw is wrapped where series cannot be read as they are stored: the
// engine is asked by queries then.
var errNotRaw = errors.New("series cannot be read as they are stored")

// refusesRaw says whether an engine does not give series as they are stored, for
// good: it has no such door, or it is shut, or something else stands there.
func refusesRaw(err error) bool {
	var e *EngineError
	if errors.As(err, &e) {
		return e.Status >= 300 && e.Status < 500 && e.Status != http.StatusTooManyRequests && !e.tooLarge() && !e.late() || e.Status == http.StatusNotImplemented
	}
	return errors.Is(err, errNotRaw) || errors.Is(err, ErrNotAPI)
}

// frames reads an answer as it arrives: one frame and one series are kept.
type frames struct {
	r        *bufio.Reader
	from, to int64
	consumer rawConsumer

	frame    []byte
	selector int
	labels   []byte // of the series at hand, as they came; nil is none
	times    []int64
	values   []float64
	plain    bool // they are in range and in order, without marks of an end
}

// read reads to the end.
func (f *frames) read() error {
	for {
		payload, err := f.next()
		if errors.Is(err, io.EOF) {
			return f.flush()
		}
		if err != nil {
			return err
		}
		if err := f.message(payload); err != nil {
			return err
		}
	}
}

// next reads a frame: its length, its checksum, a message. Where an engine
// fails amid an answer, what it says stands in place of a frame.
func (f *frames) next() ([]byte, error) {
	if _, err := f.r.Peek(1); err != nil {
		return nil, err
	}
	head, _ := f.r.Peek(300)
	size, n := binary.Uvarint(head)
	if n <= 0 || size > maxFrame || len(head) < n+4 {
		return nil, f.words(head)
	}
	sum := binary.BigEndian.Uint32(head[n:])
	head = bytes.Clone(head)
	if _, err := f.r.Discard(n + 4); err != nil {
		return nil, cut(err)
	}
	if uint64(cap(f.frame)) < size {
		f.frame = make([]byte, size)
	}
	f.frame = f.frame[:size]
	if _, err := io.ReadFull(f.r, f.frame); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, f.words(head)
		}
		return nil, err
	}
	if crc32.Checksum(f.frame, crc32.MakeTable(crc32.Castagnoli)) != sum {
		return nil, f.words(head)
	}
	return f.frame, nil
}

// words are what an engine says where a frame should be; or the answer is cut.
func (f *frames) words(b []byte) error {
	if text := strings.TrimSpace(string(b)); len(b) > 8 && utf8.ValidString(text) && strings.IndexFunc(text, func(c rune) bool { return c < ' ' && c != '\n' }) < 0 {
		return fmt.Errorf("%w: the engine says amid the answer: %s", io.ErrUnexpectedEOF, clip(text))
	}
	return io.ErrUnexpectedEOF
}

// message reads the series of a frame.
func (f *frames) message(payload []byte) error {
	selector := 0
	var series [][]byte
	err := fields(payload, func(number int, value uint64, data []byte) error {
		switch number {
		case 1:
			series = append(series, data)
		case 2:
			selector = int(value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, data := range series {
		if err := f.series(selector, data); err != nil {
			return err
		}
	}
	return nil
}

// series reads a series, or a further part of the last one.
func (f *frames) series(selector int, data []byte) error {
	// Labels come before chunks; as they come they tell series apart.
	end := 0
	for rest := data; len(rest) > 0 && rest[0] == 1<<3|2; end = len(data) - len(rest) {
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || uint64(len(rest)) < size || len(rest)-1-n < int(size) {
			return errFrame
		}
		rest = rest[1+n+int(size):]
	}
	if f.labels == nil || selector != f.selector || !bytes.Equal(f.labels, data[:end]) {
		if err := f.flush(); err != nil {
			return err
		}
		f.selector, f.labels, f.plain = selector, append([]byte{}, data[:end]...), true
	}
	return fields(data[end:], func(number int, _ uint64, chunk []byte) error {
		if number != 2 {
			return nil
		}
		return f.chunk(chunk)
	})
}

// chunk takes the samples of a chunk in the range asked for.
func (f *frames) chunk(message []byte) error {
	var first, last, kind uint64
	var data []byte
	if err := fields(message, func(number int, value uint64, bytes []byte) error {
		switch number {
		case 1:
			first = value
		case 2:
			last = value
		case 3:
			kind = value
		case 4:
			data = bytes
		}
		return nil
	}); err != nil {
		return err
	}
	const xor, histogram, floatHistogram = 1, 2, 3
	switch kind {
	case xor:
	case histogram, floatHistogram:
		return nil
	default: // samples that are packed in a way of later: queries tell of them
		return fmt.Errorf("%w: chunks of the kind %d", errFrame, kind)
	}
	if int64(first) > f.to || int64(last) < f.from {
		return nil
	}
	had := len(f.times)
	times, values, plain, err := unpackXOR(data, f.times, f.values)
	if err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	f.times, f.values = times, values
	if n := len(times); n > had {
		f.plain = f.plain && plain && times[had] >= f.from && times[n-1] <= f.to && (had == 0 || times[had-1] < times[had])
	}
	return nil
}

// flush hands the series at hand to the consumer.
func (f *frames) flush() error {
	if f.labels == nil {
		return nil
	}
	if !f.plain {
		f.tidy()
	}
	var err error
	if len(f.times) > 0 {
		labels := map[string]string{}
		if err = fields(f.labels, func(_ int, _ uint64, label []byte) error {
			var name, value string
			err := fields(label, func(number int, _ uint64, data []byte) error {
				switch number {
				case 1:
					name = string(data)
				case 2:
					value = string(data)
				}
				return nil
			})
			labels[name] = value
			return err
		}); err == nil {
			err = f.consumer.samples(f.selector, labels, f.times, f.values)
		}
	}
	f.labels, f.times, f.values = nil, f.times[:0], f.values[:0]
	return err
}

// tidy leaves the samples of the range, in time order, each time once, without
// marks of an end.
func (f *frames) tidy() {
	times, values := f.times, f.values
	n, last, sorted := 0, int64(math.MinInt64), true
	for i, t := range times {
		v := values[i]
		if t < f.from || t > f.to || math.Float64bits(v) == staleNaN {
			continue
		}
		if t <= last && n > 0 {
			if t == last {
				continue // chunks that overlap
			}
			sorted = false
		}
		times[n], values[n], last = t, v, t
		n++
	}
	f.times, f.values = times[:n], values[:n]
	if !sorted {
		sortSamples(f.times, f.values)
		f.tidy()
	}
}

// errFrame says that bytes are no part of an answer.
var errFrame = fmt.Errorf("%w: not a message of remote read", ErrNotAPI)

// fields goes through the fields of a message: value is that of a number, data
// of what has a length.
func fields(message []byte, each func(number int, value uint64, data []byte) error) error {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 || tag>>3 == 0 || tag>>3 > math.MaxInt32 {
			return errFrame
		}
		message = message[n:]
		var value uint64
		var data []byte
		switch tag & 7 {
		case 0:
			if value, n = binary.Uvarint(message); n <= 0 {
				return errFrame
			}
			message = message[n:]
		case 1, 5:
			size := 8
			if tag&7 == 5 {
				size = 4
			}
			if len(message) < size {
				return errFrame
			}
			message = message[size:]
		case 2:
			size, n := binary.Uvarint(message)
			if n <= 0 || size > uint64(len(message)-n) {
				return errFrame
			}
			data, message = message[n:n+int(size)], message[n+int(size):]
		default:
			return errFrame
		}
		if err := each(int(tag>>3), value, data); err != nil {
			return err
		}
	}
	return nil
}
