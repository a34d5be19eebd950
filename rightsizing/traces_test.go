package rightsizing_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/catalog"
	"github.com/leanfleet/leanfleet/internal/embedded"
	"github.com/leanfleet/leanfleet/internal/store"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/pricing"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// traces is the folder of real traces: LEANFLEET_TRACES, else shared/traces
// beside the project. Without it the test is skipped, loudly.
func traces(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("LEANFLEET_TRACES")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "traces")
	}
	if _, err := os.Stat(filepath.Join(dir, "bitbrains-inventory.csv")); err != nil {
		t.Skipf("SKIPPED: no real traces: %v; set LEANFLEET_TRACES to their folder", err)
	}
	return dir
}

// book is a price book over the embedded catalogue.
func book(t testing.TB) *pricing.Book {
	t.Helper()
	c, err := catalog.Open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := pricing.NewBook(pricing.Options{Base: embedded.New(c)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// imported is a data directory into which a trace was imported, once for all
// tests of a run.
type imported struct {
	once sync.Once
	dir  string
	err  error
}

var stores = map[string]*imported{"bitbrains-*": {}, "azure-mean": {}, "azure-max": {}}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range stores {
		if s.dir != "" {
			_ = os.RemoveAll(s.dir) // a leftover below the system's temporary folder
		}
	}
	os.Exit(code)
}

// trace imports a trace through the library's face and opens what it stored.
func trace(t testing.TB, name, inventory string) rightsizing.Environment {
	t.Helper()
	dir := traces(t)
	s := stores[name]
	s.once.Do(func() { s.dir, s.err = importTrace(dir, name, inventory) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	c, err := catalog.Open()
	if err != nil {
		t.Fatal(err)
	}
	types := func(provider, instanceType string) (fleet.Capacity, bool) {
		x, ok := c.Type(provider, instanceType)
		return fleet.Capacity{VCPUs: float64(x.VCPUs.Value), MemoryBytes: x.MemoryBytes.Value}, ok
	}
	st, err := store.Open(context.Background(), store.Options{Dir: s.dir, ReadOnly: true, Types: types, Metrics: fleet.CanonicalMetrics()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return rightsizing.Environment{Environment: environment(st, time.Date(2013, 9, 29, 0, 0, 0, 0, time.UTC)), Prices: book(t)}
}

func environment(s fleet.Source, now time.Time) fleet.Environment {
	return fleet.Environment{Source: s, Metrics: fleet.CanonicalMetrics(), Now: now, Zone: zones.Load}
}

func importTrace(dir, name, inventory string) (string, error) {
	into, err := os.MkdirTemp("", "leanfleet-rightsizing-")
	if err != nil {
		return "", err
	}
	m, err := leanfleet.Open(context.Background(), leanfleet.Options{Dir: into})
	if err != nil {
		return into, err
	}
	samples, err := filepath.Glob(filepath.Join(dir, name+".csv.gz"))
	if err != nil {
		return into, err
	}
	if _, err := m.Import(context.Background(), leanfleet.ImportRequest{Samples: samples, Inventory: []string{filepath.Join(dir, inventory)}}); err != nil {
		return into, err
	}
	return into, m.Close()
}

// bitbrainsSplits are those at which figures are stated.
func bitbrainsSplits() []time.Time {
	var out []time.Time
	for _, s := range []string{"2013-07-29", "2013-08-15", "2013-08-30", "2013-09-15"} {
		t, err := time.Parse(time.DateOnly, s)
		if err != nil {
			panic(err)
		}
		out = append(out, t)
	}
	return out
}

func percent(s rightsizing.Share) float64 {
	if s.Value == nil {
		return 0
	}
	return 100 * *s.Value
}

// show logs what policies came to.
func show(t *testing.T, title string, list []rightsizing.PolicyOutcome) {
	t.Helper()
	t.Log(title)
	for _, p := range list {
		name := p.Policy
		if p.Confidence != nil {
			name = fmt.Sprintf("%s %.2f", p.Policy, *p.Confidence)
		}
		t.Logf("  %-24s saved %s, of clairvoyant %s, broken %s, of real shrinks %s, stated %.1f %% and %.1f %%; busy: saved %s, broken %s", name,
			interval(p.SavedShare), interval(p.OfClairvoyant), interval(p.BrokenShare), interval(p.BrokenShrunkShare), 100*p.Stated, 100*p.StatedShrunk, interval(p.Busy.SavedShare), interval(p.Busy.BrokenShare))
	}
}

func interval(s rightsizing.Share) string {
	if s.Value == nil {
		return "-"
	}
	text := fmt.Sprintf("%.1f %%", 100**s.Value)
	if s.Low != nil {
		text += fmt.Sprintf(" (%.1f to %.1f)", 100**s.Low, 100**s.High)
	}
	return text
}

func ours(t *testing.T, list []rightsizing.PolicyOutcome, confidence float64) rightsizing.PolicyOutcome {
	t.Helper()
	for _, p := range list {
		if p.Policy == rightsizing.PolicyLeanfleet && *p.Confidence == confidence {
			return p
		}
	}
	t.Fatalf("no leanfleet at %v", confidence)
	return rightsizing.PolicyOutcome{}
}

// TestBitbrainsBacktest holds the promises of the four pooled splits, the one
// with the fleet-wide rise among them: the list keeps its word, at nearly what a
// clairvoyant saves, with a fraction of the AWS default rule's broken shrinks.
func TestBitbrainsBacktest(t *testing.T) {
	env := trace(t, "bitbrains-*", "bitbrains-inventory.csv")
	r, err := rightsizing.Backtest(t.Context(), env, rightsizing.BacktestRequest{Splits: bitbrainsSplits(), Confidences: []float64{0.95, 0.80, 0.90, 0.97, 0.99}})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range r.Windows {
		show(t, fmt.Sprintf("%s, shift %v, above the limit unchanged %s", w.Test.Start.Format(time.DateOnly), w.Shift, interval(w.AboveLimit)), w.Policies[:2])
	}
	show(t, "pooled", r.Pooled)
	us, aws := ours(t, r.Pooled, 0.95), outcomeOf(t, r.Pooled, "aws-default")
	if us.Hosts != 452 || us.Changed < 200 {
		t.Fatalf("%d hosts, %d changed", us.Hosts, us.Changed)
	}
	if v := percent(us.BrokenShare); v > 5 {
		t.Errorf("a stated 0.95 broke %.1f %% of the changed hosts", v)
	}
	if v := percent(us.OfClairvoyant); v < 88 {
		t.Errorf("saved %.1f %% of what could be saved, want 88", v)
	}
	if v, limit := percent(us.BrokenShrunkShare), 0.4*percent(aws.BrokenShrunkShare); v > limit {
		t.Errorf("broke %.1f %% of real shrinks, want at most %.1f, 40 %% of the AWS default rule's", v, limit)
	}
	if us.Busy.SavedShare.Numerator < aws.Busy.SavedShare.Numerator || percent(us.Busy.BrokenShare) > percent(aws.Busy.BrokenShare) {
		t.Errorf("busy hosts: saved %.0f, broken %.1f %%; AWS default %.0f and %.1f %%", us.Busy.SavedShare.Numerator, percent(us.Busy.BrokenShare), aws.Busy.SavedShare.Numerator, percent(aws.Busy.BrokenShare))
	}
	for _, c := range []float64{0.80, 0.90, 0.95, 0.97} {
		p := ours(t, r.Pooled, c)
		if off := math.Abs(100*p.StatedShrunk - percent(p.BrokenShrunkShare)); off > 5 {
			t.Errorf("at %v the real shrinks stated %.1f %% and broke %.1f %%", c, 100*p.StatedShrunk, percent(p.BrokenShrunkShare))
		}
	}
}

// TestBitbrainsCalibration holds what was stated against what happened, over a
// split every three and a half days.
func TestBitbrainsCalibration(t *testing.T) {
	env := trace(t, "bitbrains-*", "bitbrains-inventory.csv")
	var dense []time.Time
	for at := time.Date(2013, 7, 15, 0, 0, 0, 0, time.UTC); !at.After(time.Date(2013, 9, 15, 0, 0, 0, 0, time.UTC)); at = at.Add(84 * time.Hour) {
		dense = append(dense, at)
	}
	r, err := rightsizing.Backtest(t.Context(), env, rightsizing.BacktestRequest{Policies: []string{"leanfleet", "aws-default"}, Splits: dense, Confidences: []float64{0.80, 0.90, 0.95, 0.97}})
	if err != nil {
		t.Fatal(err)
	}
	show(t, fmt.Sprintf("%d splits", len(dense)), r.Pooled)
	for _, c := range []float64{0.80, 0.90, 0.95, 0.97} {
		p := ours(t, r.Pooled, c)
		if off := math.Abs(100*p.StatedShrunk - percent(p.BrokenShrunkShare)); off > 2 {
			t.Errorf("at %v the real shrinks stated %.1f %% and broke %.1f %%", c, 100*p.StatedShrunk, percent(p.BrokenShrunkShare))
		}
	}
	total := 0
	for _, b := range r.Calibration {
		t.Logf("stated %.2f to %.2f: %d candidates, mean %.1f %%, broke %.1f %%", b.From, b.To, b.Candidates, 100*b.Stated, 100*b.Observed)
		total += b.Candidates
		// The middle bins are few and careful: they may break less than stated.
		if b.Observed > b.Stated+0.02 || b.Observed < b.Stated-0.09 {
			t.Errorf("bin %.2f to %.2f: stated %.3f, broke %.3f", b.From, b.To, b.Stated, b.Observed)
		}
	}
	if total < 5000 {
		t.Errorf("only %d candidates", total)
	}
}

// TestBitbrainsShortHistories: with six days nothing is learned, and the list
// still keeps its word, without being timid.
func TestBitbrainsShortHistories(t *testing.T) {
	env := trace(t, "bitbrains-*", "bitbrains-inventory.csv")
	for days, least := range map[int]float64{2: 0, 6: 75, 10: 79, 14: 79} {
		r, err := rightsizing.Backtest(t.Context(), env, rightsizing.BacktestRequest{Policies: []string{"leanfleet", "aws-default"}, Splits: bitbrainsSplits(), Train: time.Duration(days) * 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		show(t, fmt.Sprintf("%d days of history", days), r.Pooled)
		us := ours(t, r.Pooled, 0.95)
		if v := percent(us.BrokenShare); v > 5 {
			t.Errorf("%d days: broke %.1f %%", days, v)
		}
		if v := percent(us.OfClairvoyant); v < least {
			t.Errorf("%d days: saved %.1f %% of what could be saved, want %.0f", days, v, least)
		}
		if days < 3 && us.Shrunk > 0 {
			t.Errorf("%d days: %d hosts were shrunk", days, us.Shrunk)
		}
	}
}

// TestAzureBacktest is another fleet, without any re-tuning, on means and on
// maxima: fewer broken than by the AWS default rule, at the smaller saving that
// docs/promises states.
func TestAzureBacktest(t *testing.T) {
	for name, least := range map[string]float64{"azure-mean": 85, "azure-max": 80} {
		env := trace(t, name, "azure-inventory.csv")
		r, err := rightsizing.Backtest(t.Context(), env, rightsizing.BacktestRequest{
			Policies: []string{"leanfleet", "aws-default", "aws-default+swap"}, Splits: []time.Time{time.Date(2017, 1, 15, 0, 0, 0, 0, time.UTC)},
		})
		if err != nil {
			t.Fatal(err)
		}
		show(t, name, r.Pooled)
		us, aws := ours(t, r.Pooled, 0.95), outcomeOf(t, r.Pooled, "aws-default")
		if us.Hosts != 74 || us.Broken >= aws.Broken || percent(us.OfClairvoyant) < least {
			t.Errorf("%s: %d hosts, %d broken against %d, %.1f %% of the clairvoyant", name, us.Hosts, us.Broken, aws.Broken, percent(us.OfClairvoyant))
		}
	}
}

// TestBitbrainsAdvice reads the advice of the last day as the engineer who has to
// carry it out would: no line may embarrass.
func TestBitbrainsAdvice(t *testing.T) {
	env := trace(t, "bitbrains-*", "bitbrains-inventory.csv")
	r, err := rightsizing.Recommend(t.Context(), env, rightsizing.Request{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v, learned %+v", r.Summary, r.Learned)
	changed := 0
	for _, x := range r.Recommendations {
		if x.Recommended == nil {
			continue
		}
		changed++
		e := x.Evidence
		switch {
		case x.Kind != rightsizing.KindGrow && (x.MonthlySavings == nil || x.MonthlySavings.Sign() <= 0):
			t.Errorf("%s: %s saves nothing", x.Name, to(x))
		case x.Kind == rightsizing.KindSwap && (*x.BreakProbability != 0 || x.Recommended.VCPUs < x.Current.VCPUs || x.Recommended.MemoryBytes < x.Current.MemoryBytes):
			t.Errorf("%s: a swap to less", x.Name)
		case x.Kind == rightsizing.KindShrink && float64(x.Recommended.VCPUs) < *e.WorstCPU && e.DaysAboveCPU > e.KnownDaysCPU/10:
			t.Errorf("%s: %s has %v vCPUs, and %d of %d days needed more", x.Name, to(x), x.Recommended.VCPUs, e.DaysAboveCPU, e.KnownDaysCPU)
		case x.Kind == rightsizing.KindShrink && x.Recommended.VCPUs < x.Current.VCPUs && *x.BreakProbability == 0:
			t.Errorf("%s: shrunk without any risk", x.Name)
		case x.Kind == rightsizing.KindShrink && x.Recommended.MemoryBytes < x.Current.MemoryBytes && *x.Options[0].ProjectedMemory > 2:
			t.Errorf("%s: %s has less than half of the memory of a day of the last 14", x.Name, to(x))
		case x.Kind == rightsizing.KindShrink && x.Recommended.MemoryBytes < x.Current.MemoryBytes && *e.SetAsideMemoryBytes > float64(x.Recommended.MemoryBytes) && !has(x.Reasons, "exceptional_day"):
			t.Errorf("%s: %s has less memory than was used on %s, and nobody says so", x.Name, to(x), e.SetAsideMemory)
		case x.Kind == rightsizing.KindSwap && has(x.Reasons, "older_generation"):
			t.Errorf("%s: %s is a swap to an older generation", x.Name, to(x))
		case *x.BreakProbability > rightsizing.DefaultMaxRisk:
			t.Errorf("%s: %.2f above the bound of a line", x.Name, *x.BreakProbability)
		}
	}
	if changed < 50 || !r.Summary.ConfidenceMet || r.Summary.StatedBreakShare > 0.05 {
		t.Errorf("%d changes, %+v", changed, r.Summary)
	}
}

// TestJudgeEqualsPlainComputation holds the back-test's verdict on every changed
// host against one from the samples of the CSV files themselves: no store, no
// distributions, no code shared.
func TestJudgeEqualsPlainComputation(t *testing.T) {
	env := trace(t, "bitbrains-*", "bitbrains-inventory.csv")
	split := bitbrainsSplits()[3]
	r, err := rightsizing.Backtest(t.Context(), env, rightsizing.BacktestRequest{Policies: []string{"leanfleet"}, Splits: []time.Time{split}, Confidences: []float64{0.8}})
	if err != nil {
		t.Fatal(err)
	}
	cpu, memory := plainSamples(t, split, split.AddDate(0, 0, 14))
	size := func(h rightsizing.HostOutcome, typ string) (float64, float64) {
		for _, p := range env.Prices.Providers() {
			if s, ok := env.Prices.Specification(p, typ); ok {
				return float64(s.VCPUs.Value), float64(s.MemoryBytes.Value)
			}
		}
		t.Fatalf("%s: no size of %s", h.Host, typ)
		return 0, 0
	}
	share := func(list []float64, limit float64) float64 {
		n := 0
		for _, v := range list {
			if v > limit {
				n++
			}
		}
		return float64(n) / float64(len(list))
	}
	broken := 0
	for _, h := range r.Windows[0].Hosts {
		oldCPU, oldMemory := size(h, h.From)
		newCPU, newMemory := size(h, h.To)
		above, before := share(cpu[string(h.Host)], 0.8*newCPU), share(cpu[string(h.Host)], 0.8*oldCPU)
		want := above > 0.005 && above > before+0.005 || newMemory < oldMemory && slices.Max(memory[string(h.Host)]) > newMemory
		if want {
			broken++
		}
		if want != h.Broken {
			t.Errorf("%s, %s to %s: broken %v, by plain computation %v (%.4f above, %.4f before)", h.Host, h.From, h.To, h.Broken, want, above, before)
		}
	}
	if broken < 10 || broken == len(r.Windows[0].Hosts) {
		t.Errorf("%d of %d broke: the comparison shows little", broken, len(r.Windows[0].Hosts))
	}
}

// plainSamples are the CPU and memory columns of the CSV files in a window.
func plainSamples(t *testing.T, from, to time.Time) (cpu, memory map[string][]float64) {
	t.Helper()
	cpu, memory = map[string][]float64{}, map[string][]float64{}
	paths, err := filepath.Glob(filepath.Join(traces(t), "bitbrains-*.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(z)
		for lines.Scan() {
			cells := strings.SplitN(lines.Text(), ",", 5)
			at, err := strconv.ParseInt(cells[1], 10, 64)
			if err != nil || at < from.Unix() || at >= to.Unix() {
				continue // the header, or another time
			}
			for i, into := range []map[string][]float64{cpu, memory} {
				if v, err := strconv.ParseFloat(cells[2+i], 64); err == nil {
					into[cells[0]] = append(into[cells[0]], v)
				}
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return cpu, memory
}

func BenchmarkRecommendTrace(b *testing.B) {
	env := trace(b, "bitbrains-*", "bitbrains-inventory.csv")
	for b.Loop() {
		if _, err := rightsizing.Recommend(b.Context(), env, rightsizing.Request{}); err != nil {
			b.Fatal(err)
		}
	}
}
