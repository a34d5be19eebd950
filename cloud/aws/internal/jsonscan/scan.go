package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

const (
	// MaxDepth is the deepest nesting that is read or skipped.
	MaxDepth = 64
	// MaxText is the longest text that is read, in bytes. Skipped ones have no
	// limit.
	MaxText = 1 << 20

	bufferSize = 256 << 10
)

// ErrSyntax is the error of a document that is no JSON, is nested too deeply or
// holds another kind of value than was asked for. The error that wraps it says
// where.
var ErrSyntax = errors.New("malformed JSON")

// Scanner reads one document. After an error it must not be used any more.
type Scanner struct {
	r     io.Reader
	buf   []byte
	pos   int   // next byte
	end   int   // of what was read
	mark  int   // start of what must stay in the buffer, -1 for nothing
	base  int64 // offset of buf in the document
	depth int
	key   []byte
}

// New returns a scanner of the document that r yields.
func New(r io.Reader) *Scanner {
	return &Scanner{r: r, buf: make([]byte, bufferSize), mark: -1}
}

// Offset returns the number of bytes that were taken so far.
func (s *Scanner) Offset() int64 { return s.base + int64(s.pos) }

func (s *Scanner) malformed(format string, args ...any) error {
	return fmt.Errorf("byte %d: %w: %s", s.Offset(), ErrSyntax, fmt.Sprintf(format, args...))
}

// fill reads on. What lies between mark and end stays. It returns
// [io.ErrUnexpectedEOF] at the end of the input.
func (s *Scanner) fill() error {
	keep := s.pos
	if s.mark >= 0 {
		keep = s.mark
	}
	if keep > 0 {
		copy(s.buf, s.buf[keep:s.end])
		s.base += int64(keep)
		s.pos, s.end = s.pos-keep, s.end-keep
		if s.mark >= 0 {
			s.mark = 0
		}
	}
	if s.end == len(s.buf) {
		if len(s.buf) >= 2*MaxText {
			return s.malformed("a text of more than %d bytes", MaxText)
		}
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		switch {
		case n > 0:
			return nil
		case err == io.EOF:
			return fmt.Errorf("byte %d: the document ends early: %w", s.base+int64(s.end), io.ErrUnexpectedEOF)
		case err != nil:
			return fmt.Errorf("byte %d: %w", s.base+int64(s.end), err)
		}
	}
	return fmt.Errorf("byte %d: %w", s.base+int64(s.end), io.ErrNoProgress)
}

// peek returns the next byte that is no blank, without taking it.
func (s *Scanner) peek() (byte, error) {
	for {
		for s.pos < s.end {
			switch c := s.buf[s.pos]; c {
			case ' ', '\n', '\r', '\t':
				s.pos++
			default:
				return c, nil
			}
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
}

func (s *Scanner) expect(want byte) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if c != want {
		return s.malformed("%q where %q belongs", c, want)
	}
	s.pos++
	return nil
}

func (s *Scanner) enter(open byte) error {
	if err := s.expect(open); err != nil {
		return err
	}
	if s.depth++; s.depth > MaxDepth {
		return s.malformed("nested deeper than %d", MaxDepth)
	}
	return nil
}

// more takes what stands between two members. It is false at the end.
func (s *Scanner) more(first bool, closing byte) (bool, error) {
	c, err := s.peek()
	switch {
	case err != nil:
		return false, err
	case c == closing:
		s.pos++
		s.depth--
		return false, nil
	case first:
		return true, nil
	case c != ',':
		return false, s.malformed("%q where a comma or %q belongs", c, closing)
	}
	s.pos++
	return true, nil
}

// Object reads an object. It calls member with each key; member must take
// exactly one value, and the key is valid until it does.
func (s *Scanner) Object(member func(key []byte) error) error {
	if err := s.enter('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		ok, err := s.more(first, '}')
		if err != nil || !ok {
			return err
		}
		key, err := s.Text()
		if err != nil {
			return err
		}
		s.key = append(s.key[:0], key...) // reading the colon may move the buffer
		if err := s.expect(':'); err != nil {
			return err
		}
		if err := member(s.key); err != nil {
			return err
		}
	}
}

// Array reads an array. It calls element at each value, which it must take.
func (s *Scanner) Array(element func() error) error {
	if err := s.enter('['); err != nil {
		return err
	}
	for first := true; ; first = false {
		ok, err := s.more(first, ']')
		if err != nil || !ok {
			return err
		}
		if err := element(); err != nil {
			return err
		}
	}
}

// Text reads a text. The bytes are valid until the next call.
func (s *Scanner) Text() ([]byte, error) {
	if err := s.expect('"'); err != nil {
		return nil, err
	}
	s.mark = s.pos - 1
	defer func() { s.mark = -1 }()
	escaped := false
	for {
		for s.pos < s.end {
			switch c := s.buf[s.pos]; {
			case c == '"':
				raw := s.buf[s.mark+1 : s.pos]
				s.pos++
				if len(raw) > MaxText {
					return nil, s.malformed("a text of more than %d bytes", MaxText)
				}
				if !escaped {
					return raw, nil
				}
				var text string
				if err := json.Unmarshal(s.buf[s.mark:s.pos], &text); err != nil {
					return nil, s.malformed("%v", err)
				}
				return []byte(text), nil
			case c < ' ':
				return nil, s.malformed("a control character in a text")
			case c == '\\':
				escaped = true
				s.pos++
				if s.pos == s.end {
					if err := s.fill(); err != nil {
						return nil, err
					}
				}
			}
			s.pos++
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

// Scalar reads a text, or the literal of a number, true, false or null. The
// bytes are valid until the next call.
func (s *Scanner) Scalar() ([]byte, error) {
	c, err := s.peek()
	switch {
	case err != nil:
		return nil, err
	case c == '"':
		return s.Text()
	case c == '{' || c == '[':
		return nil, s.malformed("%q where a text or a number belongs", c)
	}
	s.mark = s.pos
	defer func() { s.mark = -1 }()
	if err := s.literal(); err != nil {
		return nil, err
	}
	raw := s.buf[s.mark:s.pos]
	if !json.Valid(raw) {
		return nil, s.malformed("%.20q is no value", raw)
	}
	return raw, nil
}

// literal takes the bytes of a literal. A document may end with one.
func (s *Scanner) literal() error {
	start := s.Offset()
	for {
		for s.pos < s.end {
			switch c := s.buf[s.pos]; {
			case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '+', c == '.':
				s.pos++
			default:
				if s.Offset() == start {
					return s.malformed("%q where a value belongs", c)
				}
				return nil
			}
		}
		if err := s.fill(); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) && s.depth == 0 {
				return nil
			}
			return err
		}
	}
}

// Skip takes one value of any kind.
func (s *Scanner) Skip() error {
	c, err := s.peek()
	switch {
	case err != nil:
		return err
	case c == '"':
		s.pos++
		return s.skipText()
	case c == '{' || c == '[':
		return s.skipNested()
	}
	return s.literal()
}

// skipText takes the rest of a text after its opening quote.
func (s *Scanner) skipText() error {
	for {
		i := bytes.IndexByte(s.buf[s.pos:s.end], '"')
		if i < 0 {
			i = s.end - s.pos
		}
		if j := bytes.IndexByte(s.buf[s.pos:s.pos+i], '\\'); j >= 0 {
			s.pos += j + 1
			if s.pos == s.end {
				if err := s.fill(); err != nil {
					return err
				}
			}
			s.pos++ // what is escaped
			continue
		}
		s.pos += i
		if s.pos < s.end {
			s.pos++
			return nil
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}

// skipNested takes an object or an array. The kinds of the open brackets are
// the bits of a word below a leading one: 1 for an object.
func (s *Scanner) skipNested() error {
	open := uint64(1)
	deepest := MaxDepth - s.depth
	for {
		for s.pos < s.end {
			c := s.buf[s.pos]
			s.pos++
			if !structural[c] {
				continue
			}
			switch c {
			case '"':
				if err := s.skipText(); err != nil {
					return err
				}
			case '{', '[':
				if bits.Len64(open) > min(deepest, 63) {
					return s.malformed("nested deeper than %d", MaxDepth)
				}
				open <<= 1
				if c == '{' {
					open |= 1
				}
			default:
				if (open&1 == 1) != (c == '}') {
					return s.malformed("%q closes another bracket", c)
				}
				if open >>= 1; open == 1 {
					return nil
				}
			}
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}

// structural are the bytes that skipNested looks at.
var structural = [256]bool{'"': true, '{': true, '}': true, '[': true, ']': true}

// End checks that nothing but blanks follows.
func (s *Scanner) End() error {
	c, err := s.peek()
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil
	case err != nil:
		return err
	}
	return s.malformed("%q after the end of the document", c)
}
