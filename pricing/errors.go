package pricing

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrNoPrice is the outcome of a question for a price that nobody knows. It is
// never a price of zero.
var ErrNoPrice = errors.New("no price")

// ErrUnknownType and ErrUnknownRegion say that a name is none the book knows.
// They wrap with ErrNoPrice where a price was asked for.
var (
	ErrUnknownType   = errors.New("unknown instance type")
	ErrUnknownRegion = errors.New("unknown region")
)

// NoPriceError is the outcome of a [Book.Lookup] without a price. It is
// [ErrNoPrice], and [ErrUnknownType] or [ErrUnknownRegion] where a name is the
// cause. Its text is worked out when it is asked for.
type NoPriceError struct {
	Query  OfferQuery
	book   *Book
	hidden bool
	later  time.Time
}

func (b *Book) noPrice(p *pick, q OfferQuery) error {
	e := &NoPriceError{Query: q, book: b, hidden: p.hidden}
	if p.fit == fitLater {
		e.later = timeOf(p.start)
	}
	return e
}

// Is reports whether the error is [ErrNoPrice], or the sentinel of its cause.
func (e *NoPriceError) Is(target error) bool {
	return target == ErrNoPrice || ((target == ErrUnknownType || target == ErrUnknownRegion) && e.sentinel() == target)
}

func (e *NoPriceError) sentinel() error {
	q := &e.Query
	if !e.later.IsZero() || e.hidden {
		return nil
	}
	if _, ok := e.book.Specification(q.Provider, q.InstanceType); !ok && !slices.Contains(e.book.Types(q.Provider), q.InstanceType) {
		return ErrUnknownType
	}
	if !slices.Contains(e.book.Regions(q.Provider), q.Region) {
		return ErrUnknownRegion
	}
	return nil
}

// Reason returns why there is no price, in words that end up in a report.
func (e *NoPriceError) Reason() string {
	q, b := &e.Query, e.book
	switch sentinel := e.sentinel(); {
	case !e.later.IsZero():
		return fmt.Sprintf("the first known price is of %s, after %s", e.later.Format(time.DateOnly), q.At.UTC().Format(time.DateOnly))
	case e.hidden:
		return fmt.Sprintf("all known prices were observed after %s", q.AsOf.UTC().Format(time.DateOnly))
	case q.Provider == "":
		return "the provider is unknown"
	case q.InstanceType == "":
		return "the instance type is unknown"
	case q.Region == "":
		return "the region is unknown"
	case sentinel == ErrUnknownType:
		return withNearest(fmt.Sprintf("unknown instance type %q of %s", q.InstanceType, q.Provider), b.NearestTypes(q.Provider, q.InstanceType, 3))
	case sentinel == ErrUnknownRegion:
		return withNearest(fmt.Sprintf("unknown region %q of %s", q.Region, q.Provider), b.NearestRegions(q.Provider, q.Region, 3))
	}
	var others []string
	found, err := b.Offers(q.Provider, q.Region, q.InstanceType, q.At, q.AsOf)
	if err != nil {
		return err.Error()
	}
	for _, f := range found {
		others = append(others, strings.TrimPrefix(offerWords(&f.List), f.List.InstanceType+" "))
	}
	what := strings.TrimPrefix(offerWords(&Offer{OS: q.OS, Purchase: q.Purchase, Term: q.Term}), " ")
	if len(others) == 0 {
		return fmt.Sprintf("no list has %s in %s", q.InstanceType, q.Region)
	}
	return fmt.Sprintf("no list has it for %s; known are %s", what, strings.Join(others[:min(6, len(others))], ", "))
}

// Error returns the question and the reason.
func (e *NoPriceError) Error() string {
	q := &e.Query
	return fmt.Sprintf("%v of %s %s in %s: %s", ErrNoPrice, q.Provider, q.InstanceType, q.Region, e.Reason())
}

func withNearest(s string, near []string) string {
	if len(near) == 0 {
		return s
	}
	return s + ": did you mean " + strings.Join(near, ", ") + "?"
}

// nearest returns up to n of the names that a misspelt one may have meant, best
// first: the same letters in another case, then the fewest typing slips without
// separators and Azure's prefix. A name that resembles nothing gives none.
func nearest(names []string, name string, n int) []string {
	type hit struct {
		name         string
		slips, start int
	}
	bare := bareName(name)
	if bare == "" || len(name) > 64 { // no name of any provider is as long
		return nil
	}
	limit := 1 + len(bare)/4
	var hits []hit
	for _, candidate := range names {
		other := bareName(candidate)
		d := 0
		if !strings.EqualFold(candidate, name) {
			if abs(len(other)-len(bare)) > limit {
				continue
			}
			if d = 1 + slips(other, bare); d > 1+limit {
				continue
			}
		}
		start := 0
		for start < min(len(other), len(bare)) && other[start] == bare[start] {
			start++
		}
		hits = append(hits, hit{candidate, d, start})
	}
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.slips, b.slips), cmp.Compare(b.start, a.start), cmp.Compare(a.name, b.name))
	})
	var out []string
	for _, h := range hits[:min(n, len(hits))] {
		out = append(out, h.name)
	}
	return out
}

func abs(n int) int { return max(n, -n) }

var separators = strings.NewReplacer("_", "", "-", "", ".", "", " ", "")

// bareName returns a name in lower case without Azure's tier and separators.
func bareName(name string) string {
	return strings.TrimPrefix(separators.Replace(strings.ToLower(name)), "standard")
}

// slips counts the insertions, deletions, replacements and swaps of neighbours
// that turn a into b (optimal string alignment).
func slips(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			differs := 1
			if a[i-1] == b[j-1] {
				differs = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+differs)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}

func isNoPrice(err error) bool { return errors.Is(err, ErrNoPrice) }

func quoted(s string) string { return fmt.Sprintf("%q", s) }

// unknownRegionError and unknownTypeError are the sentinels with the nearest
// names.
type unknownRegionError struct{ text string }

func (e *unknownRegionError) Error() string { return "unknown " + e.text }
func (e *unknownRegionError) Unwrap() error { return ErrUnknownRegion }

type unknownTypeError struct{ text string }

func (e *unknownTypeError) Error() string { return "unknown " + e.text }
func (e *unknownTypeError) Unwrap() error { return ErrUnknownType }
