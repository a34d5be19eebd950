package files

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// benchFile writes a CSV file of 6 values a row, grouped by host or by time,
// and returns its path and the number of values.
func benchFile(tb testing.TB, hosts, rows int, byTime bool) (string, int) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	b.WriteString("host,timestamp,cpu_usage,memory_usage,disk_read_bytes_per_second,disk_write_bytes_per_second,network_receive_bytes_per_second,network_transmit_bytes_per_second\n")
	row := func(h, i int) {
		fmt.Fprintf(&b, "host-%04d,%d,%.4f,%.4f,%.1f,%.1f,%.1f,%.1f\n", h, 1700000000+60*i, rnd.Float64(), rnd.Float64(), rnd.ExpFloat64()*1e5, rnd.ExpFloat64()*1e5, rnd.ExpFloat64()*1e4, rnd.ExpFloat64()*1e4)
	}
	if byTime {
		for i := range rows {
			for h := range hosts {
				row(h, i)
			}
		}
	} else {
		for h := range hosts {
			for i := range rows {
				row(h, i)
			}
		}
	}
	path := filepath.Join(tb.TempDir(), "samples.csv")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path, hosts * rows * 6
}

func benchRead(b *testing.B, paths []string, opt SamplesOptions, want int) {
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n = 0
		sum, err := ReadSamples(context.Background(), paths, opt, func(x fleet.Batch) error { n += x.Samples(); return nil })
		if err != nil {
			b.Fatal(err)
		}
		if int64(n) != sum.Samples || (want > 0 && n != want) {
			b.Fatalf("%d samples emitted, %d counted, want %d", n, sum.Samples, want)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
}

// BenchmarkReadCSV: plain CSV is read at 3 million sample values a second or
// more on one core, its step found by reading it twice.
func BenchmarkReadCSV(b *testing.B) {
	for _, byTime := range []bool{false, true} {
		path, n := benchFile(b, 200, 1440, byTime)
		for _, step := range []time.Duration{0, time.Minute} {
			b.Run(fmt.Sprintf("by-time=%t/step=%s", byTime, step), func(b *testing.B) {
				benchRead(b, []string{path}, SamplesOptions{Step: step}, n)
			})
		}
	}
}

// BenchmarkReadTraces reads the real traces, which are CSV in gzip.
func BenchmarkReadTraces(b *testing.B) {
	opt := SamplesOptions{SkipBad: true, Records: func(host string, _ time.Time) ([]fleet.Record, error) {
		return []fleet.Record{{Host: fleet.HostID(host), Capacity: fleet.Capacity{VCPUs: 4, MemoryBytes: 16 << 30}}}, nil
	}}
	benchRead(b, traces(b, "bitbrains-*.csv.gz"), opt, 0)
}

func BenchmarkSplitter(b *testing.B) {
	path, _ := benchFile(b, 20, 1440, false)
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		s := newSplitter(bytes.NewReader(data))
		for {
			if _, err := s.read(); err != nil {
				break
			}
		}
	}
}

func BenchmarkParseNumber(b *testing.B) {
	texts := make([][]byte, 256)
	for i := range texts {
		texts[i] = strconv.AppendFloat(nil, float64(i)*1.2345, 'f', 4, 64)
	}
	i := 0
	for b.Loop() {
		if _, err := parseNumber(texts[i&255]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// traces are files of the trace folder, or the test is left out, loudly.
func traces(tb testing.TB, pattern string) []string {
	dir := os.Getenv("LEANFLEET_TRACES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "traces")
	}
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		tb.Fatal(err)
	}
	if len(paths) == 0 {
		tb.Skipf("SKIPPED: no real traces: nothing matches %s; set LEANFLEET_TRACES to the folder of traces", filepath.Join(dir, pattern))
	}
	return paths
}

// turns writes rows of many hosts that take turns, on the fly.
type turns struct {
	hosts, rows, next int
	rest              []byte
}

func (g *turns) Read(p []byte) (int, error) {
	for len(g.rest) < len(p) && g.next < g.hosts*g.rows {
		if g.next == 0 {
			g.rest = append(g.rest, "host,timestamp,cpu_usage,memory_usage,load1,disk_read_bytes_per_second,processes,sessions\n"...)
		}
		h, i := g.next%g.hosts, g.next/g.hosts
		g.rest = fmt.Appendf(g.rest, "host-%05d,%d,0.%04d,0.5,1.25,%d,%d,3\n", h, 1700000000+60*i, g.next*7919%10000, g.next%99991, g.next%300)
		g.next++
	}
	if len(g.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, g.rest)
	g.rest = append(g.rest[:0], g.rest[n:]...)
	return n, nil
}

// BenchmarkReadTenThousandHosts: a file in which 10,000 hosts take turns is
// read in bounded memory, whatever its length.
func BenchmarkReadTenThousandHosts(b *testing.B) {
	peak, batches, rows := uint64(0), 0, 0
	for b.Loop() {
		batches, rows = 0, 0
		_, err := ReadSamples(b.Context(), []string{"-"}, SamplesOptions{Step: time.Minute, Stdin: &turns{hosts: 10_000, rows: 400}}, func(x fleet.Batch) error {
			rows += len(x.Start)
			if batches++; batches%2000 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse)
			}
			return nil
		})
		if err != nil || rows != 4_000_000 {
			b.Fatal(rows, err)
		}
	}
	b.ReportMetric(float64(peak)/1e6, "peak-MB")
	b.ReportMetric(float64(rows)/float64(batches), "rows/batch")
}
