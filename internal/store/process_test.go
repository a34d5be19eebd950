package store

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// The process of the kill test imports over and over. Import number k writes the
// value k for every host and minute of four days, half of them sealed before, and
// says "begin k" and "end k".

const (
	killHosts = 40
	killDays  = 4
	killRows  = 96 // a quarter of an hour apart
)

func killBatch(b *fleet.Batch, host, k int) {
	b.Host, b.Origin, b.Step = fleet.HostID(fmt.Sprintf("host-%03d", host)), fleet.OriginImport, 900_000
	b.Start, b.Columns = b.Start[:0], grow(b.Columns, 1)
	c := &b.Columns[0]
	c.Metric, c.Values = fleet.CPUUsage, c.Values[:0]
	// Every import begins a day later, so that days are both new and sealed.
	for d := range killDays {
		for r := range killRows {
			b.Start = append(b.Start, dayStart+int64(k+d)*dayMillis+int64(r)*900_000)
			c.Values = append(c.Values, int32(k))
		}
	}
}

func killImport(ctx context.Context, s *Store, k int) error {
	load, err := s.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = load.Abort() }()
	if _, err := load.PutRecords(ctx, []fleet.Statement{{Record: fleet.Record{Host: "host-000", Tags: fleet.Tags{"import": strconv.Itoa(k)}}}},
		fleet.Put{At: testClock(), Correct: true, Who: "test"}); err != nil {
		return err
	}
	var b fleet.Batch
	for h := range killHosts {
		killBatch(&b, h, k)
		if err := load.Add(ctx, []fleet.Batch{b}); err != nil {
			return err
		}
	}
	_, err = load.Commit(ctx)
	return err
}

func childImport(dir string) {
	s, err := Open(context.Background(), Options{Dir: dir, MemoryBudget: 64 << 10})
	if err != nil {
		childFailed(err)
	}
	first, err := strconv.Atoi(os.Args[2])
	if err != nil {
		childFailed(err)
	}
	for k := first; ; k++ {
		fmt.Println("begin", k)
		if err := killImport(context.Background(), s, k); err != nil {
			childFailed(err)
		}
		fmt.Println("end", k)
	}
}

// TestKill kills a real process at random moments of its imports, 100 times, and
// looks at what it leaves: exactly the imports that it said had ended, and at
// most the one that it was in, whole.
func TestKill(t *testing.T) {
	rounds, atLeast := 100, 80
	if testing.Short() {
		rounds, atLeast = 20, 14
	}
	dir := t.TempDir()
	coin := rand.New(rand.NewPCG(1, 2))
	inside, committed, next := 0, 0, 1
	longest := 60 * time.Millisecond
	for range rounds {
		begun, ended, took := killOnce(t, dir, next, time.Duration(coin.Int64N(int64(longest))))
		if took > 0 {
			longest = min(3*took, time.Second) // one to three imports
		}
		if begun > ended {
			inside++
		}
		last := afterKill(t, dir, begun, ended)
		if begun > ended && last == begun {
			committed++
		}
		next = last + 1
	}
	t.Logf("%d of %d kills were inside an import, %d of those after its commit; %d imports", inside, rounds, committed, next-1)
	if inside < atLeast {
		t.Errorf("only %d of %d kills were inside an import", inside, rounds)
	}
}

// killOnce starts the process, kills it some time after its first import has
// begun, and returns the last import that had begun and the last that had ended.
func killOnce(t *testing.T, dir string, first int, after time.Duration) (begun, ended int, took time.Duration) {
	t.Helper()
	cmd := child(t, "import", dir, strconv.Itoa(first))
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	ended = first - 1
	lines := bufio.NewScanner(out)
	var timer *time.Timer
	var started time.Time
	for lines.Scan() {
		word, number, _ := strings.Cut(lines.Text(), " ")
		k, err := strconv.Atoi(number)
		must(t, err)
		if word == "begin" {
			begun = k
			if timer == nil {
				timer, started = time.AfterFunc(after, func() { _ = cmd.Process.Kill() }), time.Now()
			}
		} else {
			if ended == first-1 {
				took = time.Since(started)
			}
			ended = k
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the process was not killed: %v", err)
	}
	return begun, ended, took
}

// afterKill checks the directory and returns the last import that it holds.
func afterKill(t *testing.T, dir string, begun, ended int) int {
	t.Helper()
	if err := wholeFiles(dir); err != nil {
		t.Fatal(err)
	}
	reader, err := Open(t.Context(), Options{Dir: dir, ReadOnly: true})
	if err != nil && !strings.Contains(err.Error(), ErrNoData.Error()) {
		t.Fatal(err)
	}
	before := -1
	if err == nil {
		before = imported(t, reader)
		must(t, reader.Close())
	}
	s := open(t, dir, func(o *Options) { o.noSync = true })
	last := imported(t, s)
	if last != ended && last != begun {
		t.Fatalf("import %d is stored; %d had ended and %d begun", last, ended, begun)
	}
	if before != -1 && before != last {
		t.Fatalf("a reader saw import %d, recovery found %d", before, last)
	}
	if err := inOrder(t, s); err != nil {
		t.Fatal(err)
	}
	must(t, s.Close())
	return last
}

// imported checks that a store holds imports 1 to n, whole, and returns n.
func imported(t *testing.T, s *Store) int {
	t.Helper()
	records, err := s.Records(t.Context(), fleet.MustSelector("host=host-000"), fleet.Window{})
	must(t, err)
	if len(records) == 0 {
		if got := dump(t, s); len(got) != 0 {
			t.Fatalf("%d rows without an import", len(got))
		}
		return 0
	}
	n, err := strconv.Atoi(records[0].Tags["import"])
	must(t, err)
	look, err := s.look(ofHosts, fleet.Window{})
	must(t, err)
	defer look.release()
	views := look.openAll()
	if len(views) != n+killDays-1 {
		t.Fatalf("%d days after %d imports", len(views), n)
	}
	// The days before the last imports were checked when they were written last.
	for i := max(0, len(views)-killDays-2); i < len(views); i++ {
		v := views[i]
		if v.Err != nil {
			t.Fatalf("%s: %v", v.Path, v.Err)
		}
		rows := model{}
		dumpDay(t, v.File, nil, rows)
		if len(rows) != killHosts*killRows {
			t.Fatalf("%s: %d rows", v.Day, len(rows))
		}
		for key, row := range rows {
			if want := int32(min(n, i+1)); row.Values["cpu_usage"] != want {
				t.Fatalf("%s, %v: value of import %d, not %d", v.Day, key, row.Values["cpu_usage"], want)
			}
		}
	}
	return n
}

// childMemory loads many samples in some order and prints its peak of resident
// memory.
func childMemory(dir, order string) {
	ctx := context.Background()
	s, err := Open(ctx, Options{Dir: dir, noSync: true})
	if err != nil {
		childFailed(err)
	}
	load, err := s.Begin(ctx)
	if err != nil {
		childFailed(err)
	}
	g := &generated{hosts: 1000, rows: 2880, metrics: sixteen()}
	if err := g.load(ctx, load, order); err != nil {
		childFailed(err)
	}
	n, err := load.Commit(ctx)
	if err != nil {
		childFailed(err)
	}
	if err := s.Close(); err != nil {
		childFailed(err)
	}
	peak, err := peakMemory()
	if err != nil {
		childFailed(err)
	}
	fmt.Println(n.Inserted, peak)
}

// load adds the samples in an order of rows that is the worst for whom it is
// named after.
func (g *generated) load(ctx context.Context, l fleet.Load, order string) error {
	var b fleet.Batch
	switch order {
	case "by_host":
		for h := range g.hosts {
			g.batch(&b, h, 0, g.rows)
			if err := l.Add(ctx, []fleet.Batch{b}); err != nil {
				return err
			}
		}
	case "by_time":
		for r := range g.rows {
			for h := range g.hosts {
				g.batch(&b, h, r, r+1)
				if err := l.Add(ctx, []fleet.Batch{b}); err != nil {
					return err
				}
			}
		}
	case "backwards": // hosts and hours from the last to the first
		for r := g.rows; r > 0; r -= 60 {
			for h := g.hosts - 1; h >= 0; h-- {
				g.batch(&b, h, r-60, r)
				if err := l.Add(ctx, []fleet.Batch{b}); err != nil {
					return err
				}
			}
		}
	case "one_host": // every tenth of a second
		g.batch(&b, 1, 0, MaxRowsPerDay)
		for i := range b.Start {
			b.Start[i] = dayStart + int64(i)*100
		}
		b.Step = 100
		return l.Add(ctx, []fleet.Batch{b})
	}
	return nil
}

// peakMemory reads the process's peak of resident memory.
func peakMemory() (bytes int64, err error) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("no VmHWM")
}

// memoryLimit is what an import may take, the whole process counted.
const memoryLimit = 500e6

// TestMemory: 46 million sample values in any order stay below 500 MB, as does a
// host with as many rows in a day as one may have.
func TestMemory(t *testing.T) {
	if raceDetector {
		t.Skip("SKIPPED: the race detector takes more memory than what is measured; the run without it measures")
	}
	if runtime.GOOS != "linux" {
		t.Skipf("peak memory is read from /proc, which %s has not", runtime.GOOS)
	}
	for _, order := range []string{"by_host", "by_time", "backwards", "one_host"} {
		t.Run(order, func(t *testing.T) {
			cmd := child(t, "memory", filepath.Join(t.TempDir(), "data"), order)
			var out bytes.Buffer
			cmd.Stdout = &out
			must(t, cmd.Run())
			var samples, peak int64
			if _, err := fmt.Sscan(out.String(), &samples, &peak); err != nil {
				t.Fatal(err)
			}
			want := int64(1000 * 2880 * 16)
			if order == "one_host" {
				want = MaxRowsPerDay * 16
			}
			if samples != want {
				t.Errorf("%d samples, not %d", samples, want)
			}
			t.Logf("peak of %d MB for %d million samples", peak/1e6, samples/1e6)
			if peak > memoryLimit {
				t.Errorf("a peak of %d MB", peak/1e6)
			}
		})
	}
}
