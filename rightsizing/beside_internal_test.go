package rightsizing

import (
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/pricing"
)

// A limit is judged by what is there all the time; an "up to" figure only where
// nothing better is known of both types, and then like with like.
func TestLimits(t *testing.T) {
	const gb = bytesPerGB
	sustained := func(gbps float64) pricing.Specification {
		return pricing.Specification{NetworkGbps: pricing.Known(gbps, "t"), NetworkKind: pricing.NetworkBaseline}
	}
	upTo := func(gbps float64) pricing.Specification {
		return pricing.Specification{NetworkGbps: pricing.Known(gbps, "t"), NetworkKind: pricing.NetworkMaximum}
	}
	both := func(base, most float64) pricing.Specification {
		s := upTo(most)
		s.NetworkBaselineGbps = pricing.Known(base, "t")
		return s
	}
	unknown := pricing.Specification{}
	for _, c := range []struct {
		name        string
		demand      float64 // Gbit/s; negative is unknown
		today, then pricing.Specification
		state, kind string
	}{
		{"80 % of it is enough", 0.8, sustained(10), sustained(1), LimitOK, LimitSustained},
		{"a little more is not", 0.81, sustained(10), sustained(1), LimitShort, LimitSustained},
		{"no less than today is never short", 9, sustained(1), sustained(1), LimitOK, LimitSustained},
		{"the baseline counts where both are told", 2, both(5, 25), both(1, 10), LimitShort, LimitSustained},
		{"a maximum is no guarantee beside a baseline", 2, sustained(5), upTo(10), LimitUnknown, ""},
		{"but what it cannot reach at its best is short", 9, sustained(12), upTo(10), LimitShort, LimitMaximum},
		{"two maxima compare", 2, upTo(10), upTo(5), LimitOK, LimitMaximum},
		{"two maxima, too little", 4.1, upTo(10), upTo(5), LimitShort, LimitMaximum},
		{"two maxima, no less", 11, upTo(10), upTo(10), LimitOK, LimitMaximum},
		{"nothing known of the new type", 0.1, sustained(10), unknown, LimitUnknown, ""},
		{"nothing known of today's", 0.81, unknown, sustained(1), LimitShort, LimitSustained},
		{"a maximum alone, today's unknown", 0.1, unknown, upTo(10), LimitUnknown, ""},
		{"use unknown", -1, sustained(10), sustained(1), LimitUnknown, LimitSustained},
		{"use unknown, no less than today", -1, sustained(1), sustained(2), LimitOK, LimitSustained},
	} {
		q := &quote{today: &pricing.Candidate{Spec: &c.today}}
		if c.demand >= 0 {
			q.beside[0] = known(c.demand * gb)
		}
		got := q.limits(&c.then)[0]
		if got.State != c.state || got.Kind != c.kind || got.Resource != ResourceNetwork {
			t.Errorf("%s: %s %q, want %s %q", c.name, got.State, got.Kind, c.state, c.kind)
		}
		if short := q.shortOf(&c.then); (short == ResourceNetwork) != (c.state == LimitShort) {
			t.Errorf("%s: short of %q", c.name, short)
		}
	}
	today := pricing.Specification{DiskBytesPerSecond: pricing.Known(500e6, "t"), DiskIOPS: pricing.Known(20000.0, "t")}
	then := pricing.Specification{DiskBytesPerSecond: pricing.Known(100e6, "t"), DiskIOPS: pricing.Known(4000.0, "t")}
	q := &quote{today: &pricing.Candidate{Spec: &today}, beside: [3]*float64{nil, known(80e6), known(3201)}}
	got := q.limits(&then)
	if got[1].State != LimitOK || got[2].State != LimitShort || q.shortOf(&then) != ResourceDiskIOPS {
		t.Errorf("disks: %+v", got)
	}
}

// Of 1,000 minutes the host receives 100 B/s but for 4 at 1,000, and sends likewise
// at other times: each alone is at 100 for P99.5. Read and written together are at
// most P99.75 each: 1,000 + 1,000, since 4 minutes are more than 0.25 %.
func TestDemandBeside(t *testing.T) {
	flowOf := func(high int) flow {
		m, err := fleet.CanonicalMetrics().Lookup("network_receive_bytes_per_second")
		if err != nil {
			t.Fatal(err)
		}
		b := fleet.NewProfileBuilder(m)
		for i := range 1000 {
			v := 100.0
			if i < high {
				v = 1000
			}
			b.Add(int64(v/m.Resolution()+0.5), minute)
		}
		p := b.Build(&fleet.Record{}, fleet.Window{})
		f := flow{metric: m}
		f.add(&p, m)
		return f
	}
	b := beside{received: flowOf(4), sent: flowOf(0), read: flowOf(4), written: flowOf(4)}
	near := func(got, want float64) bool { return got > want*0.97 && got < want*1.03 }
	if v, ok := b.demand(ResourceNetwork); !ok || !near(v, 102.4) {
		t.Errorf("network %v %v, want 102.4", v, ok)
	}
	if v, ok := b.demand(ResourceDiskThroughput); !ok || !near(v, 2048) {
		t.Errorf("disks %v %v, want 2,048", v, ok)
	}
	if _, ok := b.demand(ResourceDiskIOPS); ok {
		t.Error("operations are known without a sample")
	}
	b.sent = flow{}
	if _, ok := b.demand(ResourceNetwork); ok {
		t.Error("the network is known of one direction alone")
	}
}
