package inventory

import (
	"slices"
	"strings"
)

// Nearest returns up to n keys of hosts, ids and aliases, that a misspelt one
// may have meant, best first; none when nothing resembles it.
func (b *Book) Nearest(key string, n int) []string {
	type hit struct {
		key   string
		slips int
	}
	var hits []hit
	lower := strings.ToLower(key)
	limit := max(1, (len(key)+1)/3)
	for _, s := range &b.keys {
		if s == nil {
			continue
		}
		for k := range s.m {
			l := strings.ToLower(k)
			d := slips(lower, l, limit)
			if d > limit && len(lower) >= 3 && strings.Contains(l, lower) {
				d = limit // a part of the name
			}
			if d <= limit {
				hits = append(hits, hit{k, d})
			}
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		if a.slips != b.slips {
			return a.slips - b.slips
		}
		return strings.Compare(a.key, b.key)
	})
	var out []string
	for _, h := range hits[:min(n, len(hits))] {
		out = append(out, h.key)
	}
	return out
}

// slips is the number of bytes to insert, delete or replace to make a of b,
// or more than limit when it is more than that.
func slips(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		least := row[0]
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
			least = min(least, cost)
		}
		if least > limit {
			return limit + 1
		}
	}
	return row[len(b)]
}

// list is "a, b or c".
func list(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
