package names

import (
	"math"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
)

// What is read raw are the series of the expression, by the same matchers.
func TestRawReadsWhatExpressionsSay(t *testing.T) {
	for _, schema := range Schemas() {
		for _, m := range fleet.CanonicalMetrics().Stored() {
			r, ok := RawOf(schema, m)
			e, known := Of(schema, m)
			if !ok {
				if schema == NodeExporter && known || schema == WindowsExporter && e.Counter {
					t.Errorf("%s of %s is not read raw", m.Name, schema)
				}
				continue
			}
			if !known || len(r.Terms) == 0 || r.Value == nil || r.Peak != (m.Name == fleet.CPUUsagePeak.Name) {
				t.Errorf("%s of %s: %+v", m.Name, schema, r)
			}
			if r.Else != nil { // what tells most hosts is a part of it, or stands for it
				if r.Else.Peak != r.Peak || r.Else.Apart != r.Apart || r.Else.Else != nil || r.Else.Terms[0].Name != r.Terms[0].Name {
					t.Errorf("%s of %s: %+v", m.Name, schema, r)
				}
				r = *r.Else
			}
			selectors := map[string]bool{}
			for i := range r.Terms {
				term := &r.Terms[i]
				if want := term.Name + "{" + term.Match + "$m}"; !strings.Contains(e.text, want) {
					t.Errorf("%s of %s: %s is not in %s", m.Name, schema, want, e.text)
				}
				if e.Counter != term.Rate {
					t.Errorf("%s of %s: %s is a rate: %v", m.Name, schema, term.Name, term.Rate)
				}
				if (term.Each != "") != (term.Fold == Mean || term.Fold == Count) || term.Each != "" && !strings.Contains(e.text, "($by,"+term.Each+")") {
					t.Errorf("%s of %s: each %q", m.Name, schema, term.Each)
				}
				selectors[term.Name] = true
			}
			for _, part := range strings.Split(e.text, "{")[:strings.Count(e.text, "{")] {
				if name := part[strings.LastIndexAny(part, " (")+1:]; !selectors[name] {
					t.Errorf("%s of %s: %s is not read", m.Name, schema, name)
				}
			}
		}
	}
}

func TestRawValues(t *testing.T) {
	none := math.NaN()
	for _, c := range []struct {
		metric string
		terms  []float64
		want   float64
	}{
		{"cpu_usage", []float64{0.75}, 0.25},
		{"cpu_steal", []float64{0.75}, 0.75},
		{"memory_usage", []float64{8, 2}, 0.75},
		{"memory_usage", []float64{8, none}, none},
		{"memory_usage", []float64{8, 2, 1, 1, 1, 1}, 0.75},
		{"memory_usage", []float64{8, none, 1, 1, 1, 1}, 0.5},
		{"memory_usage", []float64{8, none, 1, 1, none, 1}, none},
		{"memory_usage", []float64{none, 2, 1, 1, 1, 1}, none},
		{"swap_usage", []float64{3, 4}, 0.25},
		{"swap_usage", []float64{0, 0}, none},
		{"disk_usage", []float64{100, 60, 40}, 0.5},
		{"disk_usage", []float64{0, 0, 0}, none},
		{"uptime_seconds", []float64{100, 40}, 60},
	} {
		m, err := fleet.CanonicalMetrics().Lookup(c.metric)
		if err != nil {
			t.Fatal(err)
		}
		r, ok := RawOf(NodeExporter, m)
		if len(c.terms) > len(r.Terms) {
			r = *r.Else
		}
		if got := r.Value(c.terms); !ok || got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("%s of %v is %g, want %g", c.metric, c.terms, got, c.want)
		}
	}
	if s := (&Term{Name: "a"}).Selector(""); s != `__name__="a"` {
		t.Error(s)
	}
	if s := (&Term{Name: "a", Match: `b="c",`}).Selector(`d="e"`); s != `__name__="a",b="c",d="e"` {
		t.Error(s)
	}
}
