package store

import (
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

func eighteen() []fleet.Metric { return fleet.CanonicalMetrics().Stored()[:18] }

// copyOf is a batch with memory of its own.
func copyOf(b fleet.Batch) fleet.Batch {
	b.Start = slices.Clone(b.Start)
	b.Columns = slices.Clone(b.Columns)
	for i := range b.Columns {
		b.Columns[i].Values = slices.Clone(b.Columns[i].Values)
	}
	return b
}

// shift moves a batch in time.
func shift(b *fleet.Batch, by int64) {
	for i := range b.Start {
		b.Start[i] += by
	}
}

// BenchmarkAppend appends rows of 18 metrics in calls of 1,000 rows, of one host
// or of 1,000 hosts each, and of one row from 64 callers at once.
func BenchmarkAppend(b *testing.B) {
	g := &generated{hosts: 1000, rows: 1440, metrics: eighteen()}
	report := func(b *testing.B, rows int64) {
		b.ReportMetric(float64(rows*int64(len(g.metrics)))/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
	}
	b.Run("1000_rows_of_a_host", func(b *testing.B) {
		s := open(b, b.TempDir())
		batches := make([]fleet.Batch, 100)
		for h := range batches {
			var one fleet.Batch
			g.batch(&one, h, 0, 1000)
			batches[h] = copyOf(one)
		}
		n := 0
		for b.Loop() {
			h := n % len(batches)
			if _, err := s.Append(b.Context(), batches[h:h+1]); err != nil {
				b.Fatal(err)
			}
			shift(&batches[h], 1000*60_000)
			n++
		}
		report(b, int64(n)*1000)
	})
	b.Run("1000_hosts", func(b *testing.B) {
		s := open(b, b.TempDir())
		batches := make([]fleet.Batch, g.hosts)
		for h := range batches {
			var one fleet.Batch
			g.batch(&one, h, 0, 1)
			batches[h] = copyOf(one)
		}
		n := 0
		for b.Loop() {
			if _, err := s.Append(b.Context(), batches); err != nil {
				b.Fatal(err)
			}
			for h := range batches {
				shift(&batches[h], 60_000)
			}
			n++
		}
		report(b, int64(n)*1000)
	})
	b.Run("one_row_64_callers", func(b *testing.B) {
		s := open(b, b.TempDir())
		var rows atomic.Int64
		next := make(chan struct{}, 1)
		var group sync.WaitGroup
		stop := make(chan struct{})
		for c := range 64 {
			group.Go(func() {
				var one [1]fleet.Batch
				g.batch(&one[0], c, 0, 1)
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := s.Append(b.Context(), one[:]); err != nil {
						b.Error(err)
						return
					}
					if n := rows.Add(1); n%64 == 0 {
						select {
						case next <- struct{}{}:
						default:
						}
					}
					shift(&one[0], 60_000)
				}
			})
		}
		for b.Loop() { // an operation is some 64 rows
			<-next
		}
		total := rows.Load()
		close(stop)
		report(b, total)
		group.Wait()
	})
}

// BenchmarkLive appends ten simulated minutes of 1,000 hosts, a row of each a
// minute and each in a call of its own, with a question about all of them every
// second, and tells how long appends take. Fifty simulated seconds pass in one:
// the questions are one a second by the clock on the wall, or by that of the
// samples.
func BenchmarkLive(b *testing.B) {
	for name, every := range map[string]int{"question_a_second": 50, "question_a_simulated_second": 1} {
		b.Run(name, func(b *testing.B) { benchmarkLive(b, every) })
	}
}

func benchmarkLive(b *testing.B, every int) {
	g := &generated{hosts: 1000, rows: 10, metrics: eighteen()}
	var all []time.Duration
	for b.Loop() {
		s := open(b, b.TempDir())
		all = append(all, g.live(b, s, every)...)
		n := int64(0)
		for p, err := range s.Profiles(b.Context(), wholeQuery()) {
			if err != nil {
				b.Fatal(err)
			}
			n += p.Count
		}
		if n != int64(g.hosts*g.rows) {
			b.Fatalf("%d samples of cpu_usage, not %d", n, g.hosts*g.rows)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	for name, share := range map[string]float64{"p50": 0.5, "p99": 0.99, "max": 1} {
		b.ReportMetric(quantile(all, share), name+"-ms")
	}
	alone := bare(b)
	b.ReportMetric(quantile(alone, 0.5), "bbolt-p50-ms")
	b.ReportMetric(quantile(alone, 0.99), "bbolt-p99-ms")
}

func quantile(list []time.Duration, share float64) float64 {
	slices.Sort(list)
	return float64(list[int(share*float64(len(list)-1))].Microseconds()) / 1000
}

// bare is how long transactions of bbolt alone take: what the disk allows at that
// moment.
func bare(b *testing.B) (took []time.Duration) {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for i := range uint64(2000) {
		begin := time.Now()
		err := db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("x"))
			if err != nil {
				return err
			}
			return bucket.Put(putUint(i), make([]byte, 100))
		})
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	return took
}

// live appends, asks every so many simulated seconds, and returns how long each
// append took.
func (g *generated) live(b *testing.B, s *Store, every int) []time.Duration {
	var mu sync.Mutex
	var took []time.Duration
	rows := make(chan [2]int)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			var one [1]fleet.Batch
			for x := range rows {
				g.batch(&one[0], x[0], x[1], x[1]+1)
				begin := time.Now()
				_, err := s.Append(b.Context(), one[:])
				d := time.Since(begin)
				if err != nil {
					b.Error(err)
				}
				mu.Lock()
				took = append(took, d)
				mu.Unlock()
			}
		})
	}
	for minute := range g.rows {
		for second := range 60 {
			asked := make(chan struct{})
			go func() {
				defer close(asked)
				if (60*minute+second)%every != 0 {
					return
				}
				for _, err := range s.Profiles(b.Context(), wholeQuery()) {
					if err != nil {
						b.Error(err)
					}
				}
			}()
			from, to := second*g.hosts/60, (second+1)*g.hosts/60
			for h := from; h < to; h++ {
				rows <- [2]int{h, minute}
				time.Sleep(20 * time.Millisecond / time.Duration(to-from))
			}
			<-asked
		}
	}
	close(rows)
	group.Wait()
	return took
}

// fillDay appends a day of all hosts, a row of each a minute.
func (g *generated) fillDay(b *testing.B, s *Store) {
	batches := make([]fleet.Batch, g.hosts)
	for r := range g.rows {
		for h := range batches {
			g.batch(&batches[h], h, r, r+1)
		}
		if _, err := s.Append(b.Context(), batches); err != nil {
			b.Fatal(err)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkHead has 1,000 hosts of 18 metrics for 24 hours in the head: what that
// takes in memory, how long opening, a question about all of it, and sealing it
// take.
func BenchmarkHead(b *testing.B) {
	g := &generated{hosts: 1000, rows: 1440, metrics: eighteen()}
	dir := b.TempDir()
	before := heap()
	s := open(b, dir, func(o *Options) { o.noSync = true })
	g.fillDay(b, s)
	memory := heap() - before
	st, err := s.Status()
	if err != nil || st.Head.Samples != g.samples() {
		b.Fatalf("%+v, %v", st, err)
	}
	b.Run("question", func(b *testing.B) {
		for b.Loop() {
			n := int64(0)
			for p, err := range s.Profiles(b.Context(), fleet.Query{Metric: fleet.CPUUsage, Window: dayfile.DayOf(dayStart).Window()}) {
				if err != nil {
					b.Fatal(err)
				}
				n += p.Count
			}
			if n != int64(g.hosts*g.rows) {
				b.Fatal(n)
			}
		}
	})
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for _, readOnly := range []bool{true, false} {
		b.Run(map[bool]string{true: "open_to_read", false: "open_to_write"}[readOnly], func(b *testing.B) {
			b.ReportMetric(float64(memory)/1e6, "MB-heap")
			b.ReportMetric(float64(st.Head.LogBytes)/1e6, "MB-log")
			for b.Loop() {
				s, err := Open(b.Context(), Options{Dir: dir, ReadOnly: readOnly, SealAfter: -1})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(memory)/1e6, "MB-heap")
			b.ReportMetric(float64(st.Head.LogBytes)/1e6, "MB-log")
		})
	}
	b.Run("seal", func(b *testing.B) {
		s := open(b, dir)
		begin := time.Now()
		if err := s.Seal(b.Context()); err != nil {
			b.Fatal(err)
		}
		took := time.Since(begin)
		for b.Loop() { // once is all there is
		}
		b.ReportMetric(took.Seconds(), "s-a-day")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkLate appends a row that comes late to a sealed day of 1,000 hosts,
// each time of another host.
func BenchmarkLate(b *testing.B) {
	g := &generated{hosts: 1000, rows: 1440, metrics: eighteen()}
	s := open(b, b.TempDir())
	l, err := s.Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	g.hostMajor(b, l, g.rows)
	if _, err := l.Commit(b.Context()); err != nil {
		b.Fatal(err)
	}
	var one [1]fleet.Batch
	n := 0
	for b.Loop() {
		g.batch(&one[0], n%g.hosts, n/g.hosts, n/g.hosts+1)
		one[0].Start[0] += 7
		if _, err := s.Append(b.Context(), one[:]); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(n), "rows")
}
