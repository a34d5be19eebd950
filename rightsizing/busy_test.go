package rightsizing_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// windowed answers with the days of a canned source that lie in the window.
type windowed struct{ *canned }

func (w windowed) Profiles(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Profile, error] {
	return func(yield func(fleet.Profile, error) bool) {
		for p, err := range w.canned.Profiles(ctx, q) {
			if q.Window.Contains(p.Window.Start) && !yield(p, err) {
				return
			}
		}
	}
}

// busyFleet is hosts with a daily and weekly rhythm, noise and bursts, at 5 to 60
// % of their size, for so many days.
func busyFleet(hosts, days int, seed uint64) windowed {
	c := newCanned(0, 0)
	random := rand.New(rand.NewPCG(seed, 7))
	types := []struct {
		name   string
		vcpus  float64
		memory int64
	}{{"m5.xlarge", 4, 16 * gib}, {"m5.2xlarge", 8, 32 * gib}, {"c5.2xlarge", 8, 16 * gib}, {"r5.2xlarge", 8, 64 * gib}}
	for i := range hosts {
		x := types[random.IntN(len(types))]
		c.records = append(c.records, fleet.Record{Host: fleet.HostID(fmt.Sprintf("b%03d", i)), Provider: "aws", Region: "us-east-1", InstanceType: x.name, OS: "linux", Capacity: fleet.Capacity{VCPUs: x.vcpus, MemoryBytes: x.memory}})
	}
	for i := range c.records {
		r := &c.records[i]
		level, swing, noise := 0.05+0.35*random.Float64(), random.Float64(), 0.3*random.Float64()
		burst, memory, growth := 0.02*random.Float64(), 0.1+0.6*random.Float64(), 0.0
		if random.Float64() < 0.2 {
			growth = 0.004 * random.Float64()
		}
		cb, mb := fleet.NewProfileBuilder(fleet.CPUCoresUsed), fleet.NewProfileBuilder(fleet.MemoryUsedBytes)
		for d := range days {
			cb.Reset(fleet.CPUCoresUsed)
			mb.Reset(fleet.MemoryUsedBytes)
			week := 1.0
			if d%7 >= 5 {
				week = 0.7
			}
			for s := range 288 {
				u := level * week * (1 + swing*math.Sin(2*math.Pi*float64(s)/288)) * math.Exp(noise*random.NormFloat64()) * (1 + growth*float64(d))
				if random.Float64() < burst {
					u *= 1 + 2*random.Float64()
				}
				cb.Add(int64(math.Min(1, u)*r.Capacity.VCPUs/fleet.CPUCoresUsed.Resolution()), 300000)
				m := math.Min(1, memory*(1+0.05*random.NormFloat64())*(1+growth*float64(d)/2))
				mb.Add(int64(m*float64(r.Capacity.MemoryBytes)/fleet.MemoryUsedBytes.Resolution()), 300000)
			}
			start := asOf.Add(time.Duration(d-days) * 24 * time.Hour)
			w := fleet.Window{Start: start, End: start.Add(24 * time.Hour)}
			cp, mp := cb.Build(r, w), mb.Build(r, w)
			cp.Expected, mp.Expected = 24*time.Hour, 24*time.Hour
			c.profiles[fleet.CPUCoresUsed.Name] = append(c.profiles[fleet.CPUCoresUsed.Name], cp)
			c.profiles[fleet.MemoryUsedBytes.Name] = append(c.profiles[fleet.MemoryUsedBytes.Name], mp)
		}
	}
	return windowed{c}
}

// TestBusyFleets: simulated busy fleets, the last three never seen while numbers
// were chosen. Pooled, more is saved than by the AWS default rule with half of its
// broken share or less; each fleet alone comes close to that at least.
func TestBusyFleets(t *testing.T) {
	var saved, broke, changed [2]float64
	for _, seed := range []uint64{1, 2, 3, 201, 202, 203} {
		env := rightsizing.Environment{Environment: environment(busyFleet(80, 116, seed), asOf), Prices: book(t)}
		r, err := rightsizing.Backtest(t.Context(), env, rightsizing.BacktestRequest{Policies: []string{"leanfleet", "aws-default", "aws-default+swap"}})
		if err != nil {
			t.Fatal(err)
		}
		show(t, fmt.Sprintf("fleet %d", seed), r.Pooled)
		us, aws := ours(t, r.Pooled, 0.95), outcomeOf(t, r.Pooled, "aws-default")
		if us.SavedShare.Numerator < 0.98*aws.SavedShare.Numerator || percent(us.BrokenShare) > percent(aws.BrokenShare) || us.Changed < 100 {
			t.Errorf("fleet %d: saved %.0f, broken %d of %d; AWS default %.0f, %d of %d", seed, us.SavedShare.Numerator, us.Broken, us.Changed, aws.SavedShare.Numerator, aws.Broken, aws.Changed)
		}
		for i, p := range []rightsizing.PolicyOutcome{us, aws} {
			saved[i] += p.SavedShare.Numerator
			broke[i] += float64(p.Broken)
			changed[i] += float64(p.Changed)
		}
	}
	t.Logf("pooled: saved %.0f, broken %.0f of %.0f; AWS default %.0f, %.0f of %.0f", saved[0], broke[0], changed[0], saved[1], broke[1], changed[1])
	if saved[0] < 1.05*saved[1] || 2*broke[0]/changed[0] > broke[1]/changed[1] {
		t.Errorf("pooled: saved %.0f, broken %.0f of %.0f; AWS default %.0f, %.0f of %.0f", saved[0], broke[0], changed[0], saved[1], broke[1], changed[1])
	}
}
