package statistics

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// Percentiles asked for stand beside the other figures in JSON, so the types
// that hold Figures write and read them by hand.

func (f *Figures) percentileFields() string {
	var b strings.Builder
	for _, p := range f.Percentiles {
		v, _ := json.Marshal(p.Value) // a float or nil cannot fail
		fmt.Fprintf(&b, ",%q:%s", p.Name(), v)
	}
	return b.String()
}

// withPercentiles puts the percentile fields behind "p99" of an object.
func withPercentiles(object []byte, fields string) []byte {
	if fields == "" {
		return object
	}
	at := strings.LastIndex(string(object), `,"min":`)
	return []byte(string(object[:at]) + fields + string(object[at:]))
}

// readPercentiles finds the fields of an object that are percentiles.
func readPercentiles(data []byte) ([]Percentile, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	var list []Percentile
	for name, raw := range fields {
		percent, err := strconv.ParseFloat(strings.TrimPrefix(name, "p"), 64)
		if err != nil || !(percent > 0 && percent <= 100) || percentileName(percent) != name || name == "p95" || name == "p99" {
			continue
		}
		p := Percentile{Percent: percent}
		if err := json.Unmarshal(raw, &p.Value); err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
		list = append(list, p)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Percent < list[j].Percent })
	return list, nil
}

type plainGroup Group

// MarshalJSON writes the percentiles that were asked for beside p99.
func (g Group) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(plainGroup(g))
	if err != nil {
		return nil, err
	}
	return withPercentiles(b, g.percentileFields()), nil
}

// UnmarshalJSON reads what MarshalJSON writes; percentiles come in ascending order.
func (g *Group) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, (*plainGroup)(g)); err != nil {
		return err
	}
	list, err := readPercentiles(data)
	g.Percentiles = list
	return err
}

type plainPoint Point

// MarshalJSON writes the percentiles that were asked for beside p99.
func (p Point) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(plainPoint(p))
	if err != nil {
		return nil, err
	}
	return withPercentiles(b, p.percentileFields()), nil
}

// UnmarshalJSON reads what MarshalJSON writes; percentiles come in ascending order.
func (p *Point) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, (*plainPoint)(p)); err != nil {
		return err
	}
	list, err := readPercentiles(data)
	p.Percentiles = list
	return err
}

type plainTopHost TopHost

// MarshalJSON writes the percentiles that were asked for beside p99.
func (h TopHost) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(plainTopHost(h))
	if err != nil {
		return nil, err
	}
	return withPercentiles(b, h.percentileFields()), nil
}

// UnmarshalJSON reads what MarshalJSON writes; percentiles come in ascending order.
func (h *TopHost) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, (*plainTopHost)(h)); err != nil {
		return err
	}
	list, err := readPercentiles(data)
	h.Percentiles = list
	return err
}
