package store

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
)

func someDecisions() []advice.Decision {
	at := time.Date(2024, 2, 1, 9, 0, 0, 0, time.UTC)
	saved := money.FromMinor(12345, "EUR")
	return []advice.Decision{
		{Host: "web-1", From: "m5.2xlarge", To: "m5.large", Action: advice.DecisionAccept, Who: "carlos", Why: "it sleeps", At: at, MonthlySavings: &saved},
		{Host: "db-1", Action: advice.DecisionDismiss, Who: "eve", At: at, Until: at.AddDate(0, 3, 0)},
		{Host: "web-1", From: "m5.2xlarge", To: "m5.large", Action: advice.DecisionDone, Who: "carlos", At: at.Add(time.Hour), MonthlySavings: &saved},
	}
}

// TestDecisionsAreKept: what was decided is there after closing, for readers
// too, in the order it was written and with its currency.
func TestDecisionsAreKept(t *testing.T) {
	dir := t.TempDir()
	s := repairable(t, dir)
	if got, err := s.Decisions(t.Context()); err != nil || got != nil {
		t.Fatalf("a new store: %v, %v", got, err)
	}
	want := someDecisions()
	must(t, s.Decide(t.Context(), want[:2]))
	must(t, s.Decide(t.Context(), nil))
	must(t, s.Decide(t.Context(), want[2:]))
	must(t, s.Close())
	if err := s.Decide(t.Context(), want); !errors.Is(err, fleet.ErrClosed) {
		t.Errorf("a closed store takes decisions: %v", err)
	}
	if _, err := s.Decisions(t.Context()); !errors.Is(err, fleet.ErrClosed) {
		t.Errorf("a closed store answers: %v", err)
	}
	reader, err := Open(t.Context(), Options{Dir: dir, ReadOnly: true})
	must(t, err)
	got, err := reader.Decisions(t.Context())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read back %v, %v", got, err)
	}
	if err := reader.Decide(t.Context(), want); err == nil {
		t.Error("a reader writes decisions")
	}
	must(t, reader.Close())
}

// TestDecisionsOutliveTheSamples: neither retention nor repair takes them.
func TestDecisionsOutliveTheSamples(t *testing.T) {
	dir := t.TempDir()
	s := repairable(t, dir)
	must(t, s.Decide(t.Context(), someDecisions()))
	_, err := s.Remember(t.Context(), []Advised{{Host: "a", Current: "m5.large", AsOf: time.Unix(1, 0).UTC()}})
	must(t, err)
	if n, err := s.Retain(24 * time.Hour); err != nil || n != 2 {
		t.Fatalf("retention dropped %d days, %v", n, err)
	}
	must(t, s.Close())
	must(t, os.WriteFile(filepath.Join(dir, daysName, "2024-01-03.parquet"), []byte("nonsense"), 0o644))
	s = open(t, dir)
	if found, err := s.DropDamaged(t.Context(), false, true); err != nil || len(found) != 1 {
		t.Fatalf("repair: %v, %v", found, err)
	}
	must(t, s.Close())
	s = open(t, dir)
	if got, err := s.Decisions(t.Context()); err != nil || len(got) != 3 {
		t.Errorf("%d decisions are left, %v", len(got), err)
	}
	if got, err := s.Advised(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("%d advices are left, %v", len(got), err)
	}
}

// TestDecisionsAreAllOrNothing: one that cannot be kept keeps the others out.
func TestDecisionsAreAllOrNothing(t *testing.T) {
	s := open(t, t.TempDir())
	for _, spoil := range []func(*advice.Decision){
		func(d *advice.Decision) { d.Host = "" },
		func(d *advice.Decision) { d.Host = strings.Repeat("x", MaxHostID+1) },
		func(d *advice.Decision) { d.Action = "perhaps" },
		func(d *advice.Decision) { d.At = time.Time{} },
		func(d *advice.Decision) { d.At = time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC) }, // JSON has no such year
	} {
		list := someDecisions()
		spoil(&list[2])
		if err := s.Decide(t.Context(), list); err == nil {
			t.Errorf("%+v was taken", list[2])
		}
	}
	if got, err := s.Decisions(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("%d decisions were kept, %v", len(got), err)
	}
}

// TestDamagedDecisionIsNamed: a row that cannot be read is an error with its
// number, never left out.
func TestDamagedDecisionIsNamed(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.Decide(t.Context(), someDecisions()))
	for _, bad := range []string{"nonsense", `{}`, `{"decision":{"host":"h","action":"accept","monthly_savings":1},"currency":"?"}`} {
		must(t, s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketDecisions).Put(putUint(2), []byte(bad)) }))
		if _, err := s.Decisions(t.Context()); err == nil || !strings.Contains(err.Error(), "read decisions: decision 2: ") {
			t.Errorf("row %s: %v", bad, err)
		}
	}
	_, err := s.Remember(t.Context(), []Advised{{Host: "a", Current: "x"}})
	must(t, err)
	must(t, s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketAdvised).Put([]byte("a"), []byte("nonsense")) }))
	if _, err := s.Advised(t.Context()); err == nil || !strings.Contains(err.Error(), `advice for host "a"`) {
		t.Errorf("damaged advice: %v", err)
	}
	if n, err := s.Remember(t.Context(), []Advised{{Host: "b", Current: "x"}, {Host: "a", Current: "x"}}); err == nil || n != 0 {
		t.Errorf("advice over a damaged row: %d, %v", n, err)
	}
	must(t, s.db.View(func(tx *bbolt.Tx) error {
		if tx.Bucket(bucketAdvised).Get([]byte("b")) != nil {
			t.Error("half of a failed write was kept")
		}
		return nil
	}))
	// The store knows that the write was not made and goes on.
	must(t, s.Decide(t.Context(), someDecisions()[:1]))
}

// TestAdviceIsRemembered: the first time of an advice stays, changes are kept,
// and of many the newest.
func TestAdviceIsRemembered(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	day := func(n int) time.Time { return time.Date(2024, 2, n, 0, 0, 0, 0, time.UTC) }
	f := func(wantChanged int, at time.Time, current, recommended string) {
		t.Helper()
		n, err := s.Remember(t.Context(), []Advised{{Host: "h", Current: current, Recommended: recommended, AsOf: at}})
		if err != nil || n != wantChanged {
			t.Errorf("%s -> %s: %d changed, want %d, %v", current, recommended, n, wantChanged, err)
		}
	}
	f(1, day(1), "l4", "l2")
	f(0, day(2), "l4", "l2")
	f(1, day(3), "l4", "")
	f(0, day(1), "l4", "l1") // older than what is remembered
	f(1, day(4), "l4", "l2")
	must(t, s.Close())
	s = open(t, dir)
	got, err := s.Advised(t.Context())
	want := []Advised{{"h", "l4", "l2", day(1)}, {"h", "l4", "", day(3)}, {"h", "l4", "l2", day(4)}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("remembered %v, %v", got, err)
	}
	for i := range 20 {
		f(1, day(5+i), "l4", string(rune('a'+i)))
	}
	if got, _ := s.Advised(t.Context()); len(got) != maxAdvised || got[maxAdvised-1].AsOf != day(24) {
		t.Errorf("%d advices are kept: %v", len(got), got)
	}
}

// TestDecisionsBesideSamples: decisions and samples are written one after the
// other, and neither loses what the other wrote.
func TestDecisionsBesideSamples(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	done := make(chan error, 1)
	go func() {
		for i := range 20 {
			d := someDecisions()[0]
			d.At = d.At.Add(time.Duration(i) * time.Minute)
			if err := s.Decide(t.Context(), []advice.Decision{d}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i := range 20 {
		_, err := s.PutRecords(t.Context(), []fleet.Statement{{Record: fleet.Record{Host: "web-1", Region: string(rune('a' + i))}}}, fleet.Put{At: time.Unix(int64(i), 0).UTC()})
		must(t, err)
	}
	must(t, <-done)
	must(t, s.Close())
	s = open(t, dir)
	if got, err := s.Decisions(t.Context()); err != nil || len(got) != 20 {
		t.Errorf("%d decisions, %v", len(got), err)
	}
	if r, err := s.Records(t.Context(), fleet.Selector{}, fleet.Window{}); err != nil || len(r) != 20 {
		t.Errorf("%d records, %v", len(r), err)
	}
}

// FuzzDecodeDecision: a row is a decision that is written as it was read, or an
// error.
func FuzzDecodeDecision(f *testing.F) {
	for _, d := range someDecisions() {
		row, err := encodeDecision(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(row)
	}
	f.Add([]byte(`{"decision":{"host":"h","action":"done","monthly_savings":1e9}}`))
	f.Add([]byte(`{"decision":null}`))
	f.Fuzz(func(t *testing.T, row []byte) {
		d, err := decodeDecision(row)
		if err != nil {
			return
		}
		again, err := encodeDecision(d)
		if err != nil {
			return // a time beyond what JSON has
		}
		e, err := decodeDecision(again)
		if err != nil {
			t.Fatalf("%s: written as %s: %v", row, again, err)
		}
		if d.Host != e.Host || d.Action != e.Action || !d.At.Equal(e.At) || (d.MonthlySavings == nil) != (e.MonthlySavings == nil) {
			t.Errorf("%s: read again as %+v", row, e)
		}
	})
}
