package source

import (
	"bytes"
	"context"
)

// LookingThrough is options under which fewer samples are looked through for the
// first and last of each host.
func (o Options) LookingThrough(samples int64) Options {
	o.lookAll = samples
	return o
}

// Unpack is unpackXOR.
func Unpack(data []byte, times []int64, values []float64) ([]int64, []float64, bool, error) {
	return unpackXOR(data, times, values)
}

// Rate is rateOf.
func Rate(gain, value float64, first, last int64, n int, from, to int64, before3 bool) float64 {
	return rateOf(gain, value, first, last, n, from, to, before3)
}

// Nobody is nobody.
func Nobody(err error) bool { return nobody(err) }

// Matcher is matcher.
type Matcher struct {
	Kind        byte
	Name, Value string
}

// ParseMatchers is matchersOf.
func ParseMatchers(text string) (out []Matcher, err error) {
	list, err := matchersOf(text)
	for _, m := range list {
		out = append(out, Matcher{m.kind, m.name, m.value})
	}
	return out, err
}

// ParseRead reads a message of readRequest.
func ParseRead(message []byte) (selectors [][]Matcher, from, to int64) {
	_ = fields(message, func(number int, _ uint64, query []byte) error {
		if number != 1 {
			return nil
		}
		var list []Matcher
		err := fields(query, func(number int, value uint64, data []byte) error {
			switch number {
			case 1:
				from = int64(value)
			case 2:
				to = int64(value)
			case 3:
				var m Matcher
				err := fields(data, func(number int, value uint64, text []byte) error {
					switch number {
					case 1:
						m.Kind = byte(value)
					case 2:
						m.Name = string(text)
					case 3:
						m.Value = string(text)
					}
					return nil
				})
				list = append(list, m)
				return err
			}
			return nil
		})
		selectors = append(selectors, list)
		return err
	})
	return selectors, from, to
}

type selectorsKey struct{}

// WithSelectors is a context with what a request asks for; Selectors reads it.
func WithSelectors(ctx context.Context, text string) context.Context {
	return context.WithValue(ctx, selectorsKey{}, text)
}

// Selectors are what a request asks for.
func Selectors(ctx context.Context) string {
	text, _ := ctx.Value(selectorsKey{}).(string)
	return text
}

type takes func(int, map[string]string, []int64, []float64) error

func (f takes) samples(selector int, labels map[string]string, times []int64, values []float64) error {
	return f(selector, labels, times, values)
}

// Frames reads a streamed answer.
func Frames(stream []byte, from, to int64, take func(int, map[string]string, []int64, []float64) error) error {
	f := &frames{r: newDecoder(bytes.NewReader(stream)).r, from: from, to: to, consumer: takes(take)}
	return f.read()
}
