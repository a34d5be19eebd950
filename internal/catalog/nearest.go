package catalog

import (
	"cmp"
	"slices"
	"strings"
)

// Nearest returns up to n type names of a provider that a misspelt name may
// have meant, best first: the same letters in another case, then the same name
// without its prefix and separators, then the fewest typing slips. A name that
// resembles nothing gives none. An empty provider searches all.
func (c *Catalog) Nearest(provider, name string, n int) []string {
	types := c.types().all
	if provider != "" {
		types = c.types().by[provider]
	}
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.Name
	}
	return nearest(names, name, n)
}

// NearestRegions returns up to n region names of a provider that a misspelt
// name may have meant, by the rules of Nearest.
func (c *Catalog) NearestRegions(provider, name string, n int) []string {
	var names []string
	for _, r := range c.regions().all {
		if provider == "" || r.Provider == provider {
			names = append(names, r.Name)
		}
	}
	return nearest(names, name, n)
}

// hit is a candidate with its distance in slips.
type hit struct {
	name         string
	slips, start int // start: length of the common beginning
}

func nearest(names []string, name string, n int) []string {
	lower, bare := strings.ToLower(name), bareName(name)
	if bare == "" || len(name) > 64 { // no name of any provider is as long
		return nil
	}
	limit := 1 + len(bare)/4
	var hits []hit
	for _, candidate := range names {
		low := strings.ToLower(candidate)
		h := hit{name: candidate, start: common(low, lower)}
		if low != lower {
			h.slips = 1 + 2*min(slips(bareName(candidate), bare), slips(low, lower))
			if h.slips > 1+2*limit {
				continue
			}
		}
		hits = append(hits, h)
	}
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.slips, b.slips), cmp.Compare(b.start, a.start), cmp.Compare(a.name, b.name))
	})
	var out []string
	for _, h := range hits[:min(max(n, 0), len(hits))] {
		out = append(out, h.name)
	}
	return out
}

var separators = strings.NewReplacer("_", "", "-", "", ".", "", " ", "")

// bareName returns a name in lower case without Azure's tier and separators.
func bareName(name string) string {
	return strings.TrimPrefix(separators.Replace(strings.ToLower(name)), "standard")
}

func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
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
