package pricing_test

import (
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// Days of sheets, commitments and rates are those of UTC, wherever they are read.
func TestDaysAreThoseOfUTC(t *testing.T) {
	local := time.Local
	time.Local = time.FixedZone("east", 9*3600)
	defer func() { time.Local = local }()
	b := newBook(t, pricing.Options{Sheet: sheet(t, "s.csv", "provider,region,instance_type,price_per_hour,currency,valid_from,valid_to\nonprem,dc1,blade,1,USD,2026-01-01,2026-01-31\n")})
	q := pricing.OfferQuery{Provider: "onprem", Region: "dc1", InstanceType: "blade", Strict: true}
	for when, known := range map[string]bool{"2025-12-31T23:59:59Z": false, "2026-01-01T00:00:00Z": true, "2026-01-31T23:59:59Z": true, "2026-02-01T00:00:00Z": false} {
		var err error
		if q.At, err = time.Parse(time.RFC3339, when); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Lookup(q); (err == nil) != known {
			t.Errorf("at %s: %v, known %v", when, err, known)
		}
	}
	c := commitments(t, "c.csv", "id,purchase,provider,spend_per_hour,percent,currency,start,end\nx,savings_plan,aws,1,5,USD,2026-01-01,2026-01-31\n").All()[0]
	if !c.Start.Equal(at(t, "2026-01-01")) || !c.End.Equal(at(t, "2026-02-01")) {
		t.Errorf("%s to %s", c.Start, c.End)
	}
	rates, err := money.ParseRates("r.csv", strings.NewReader("date,from,to,rate,source\n2026-01-01,USD,EUR,0.9,x\n"))
	if err != nil {
		t.Fatal(err)
	}
	if all := rates.All(); !all[0].Date.Equal(at(t, "2026-01-01")) {
		t.Errorf("%s", all[0].Date)
	}
}
