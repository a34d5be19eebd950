package dayfile

import (
	"bytes"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
)

// The benchmarks' day has what a fleet of 1,000 hosts reports a minute: all
// metrics but sessions, uptime and process groups, 0.2 % of the rows missing, 2 %
// of the stamps a second off.
const benchHosts = 1000

type benchDay struct {
	metrics []fleet.Metric
	pieces  []piece
	rows    int64
	samples int64
}

var benchOnce = sync.OnceValue(makeBenchDay)

func makeBenchDay() *benchDay {
	d := &benchDay{metrics: stored()}
	r := rand.New(rand.NewPCG(7, 7))
	for h := range benchHosts {
		p := benchHost(r, h, d.metrics)
		d.rows += int64(len(p.Rows.Start))
		for i := range p.Rows.Columns {
			d.samples += int64(p.Rows.Columns[i].Count())
		}
		d.pieces = append(d.pieces, p)
	}
	return d
}

func benchHost(r *rand.Rand, h int, metrics []fleet.Metric) piece {
	p := piece{Host: hostName(h), Step: 60_000, Rows: Rows{Default: "agent"}}
	offset := r.Int64N(60) * 1000
	jitter := h%4 == 3
	for i := range int64(1440) {
		at := testDay.Start() + i*60_000
		if jitter {
			at += offset
			if r.IntN(12) == 0 {
				at = max(testDay.Start(), at+r.Int64N(3)*1000-1000)
			}
		}
		if r.IntN(500) == 0 || at >= testDay.Start()+millisPerDay {
			continue
		}
		p.Rows.Start = append(p.Rows.Start, at)
	}
	for _, m := range metrics {
		p.Rows.Columns = append(p.Rows.Columns, fleet.Column{Metric: m, Values: benchValues(r, m, p.Rows.Start)})
	}
	return p
}

func benchValues(r *rand.Rand, m fleet.Metric, starts []int64) []int32 {
	noise, base, burst := 40.0, 200+r.Float64()*3000, 0.02
	switch m.Name {
	case "cpu_usage_peak":
		noise, base = 90, base+800
	case "cpu_steal", "sessions":
		noise, base = 0.6, 1
	case "cpu_iowait":
		noise, base = 4, 20
	case "load1":
		noise, base = 12, 150
	case "memory_usage":
		noise, burst = 8, 0
	case "swap_usage", "disk_usage", "capacity_vcpus", "capacity_memory_bytes", "up":
		noise, burst = 0, 0
	case "disk_read_ops_per_second", "disk_write_ops_per_second", "processes":
		noise, base = 3, 30
	case "disk_read_bytes_per_second", "disk_write_bytes_per_second", "network_receive_bytes_per_second", "network_transmit_bytes_per_second":
		noise, base = 150, 1500
	}
	out := make([]int32, len(starts))
	up := r.Float64() * 1e6
	for i, at := range starts {
		if m.Name == "uptime_seconds" {
			out[i] = int32(up + float64(at-starts[0])/1000)
			continue
		}
		v := base * (1 + 0.3*math.Sin(float64(at-starts[0])/1.4e7))
		if noise == 0 {
			v = base
		}
		v += r.NormFloat64() * noise
		if r.Float64() < burst {
			v *= 1.8
		}
		out[i] = int32(max(0, v))
	}
	return out
}

func (d *benchDay) write(b testing.TB, out io.Writer, opt Options) Summary {
	w, err := NewWriter(out, testDay, d.metrics, opt)
	if err != nil {
		b.Fatal(err)
	}
	for i := range d.pieces {
		if err := w.Add(Run{Host: d.pieces[i].Host, Step: d.pieces[i].Step}, d.pieces[i].Rows); err != nil {
			b.Fatal(err)
		}
	}
	sum, err := w.Close()
	if err != nil {
		b.Fatal(err)
	}
	return sum
}

// BenchmarkWriteDay writes a day of 1,000 hosts with 20 metrics and reports
// samples per second and the bytes a row takes by column.
func BenchmarkWriteDay(b *testing.B) {
	d := benchOnce()
	var sum Summary
	for b.Loop() {
		sum = d.write(b, io.Discard, Options{})
	}
	b.ReportMetric(float64(d.samples)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
	b.ReportMetric(float64(sum.Bytes)/float64(sum.Rows), "B/row")
	b.ReportMetric(float64(sum.Bytes)/float64(d.samples), "B/sample")
}

// TestBytesPerColumn prints, with -v, what each column takes, and keeps the cost
// of the CPU column and of everything that is not a value in bounds.
func TestBytesPerColumn(t *testing.T) {
	d := benchOnce()
	var out bytes.Buffer
	sum := d.write(t, &out, Options{})
	f := open(t, out.Bytes())
	per := make(map[string]float64)
	var pages int64
	for c, column := range f.layout.columns {
		var size int64
		compressed := 0
		for _, g := range f.index.groups {
			size += g.chunks[c].end() - g.chunks[c].start()
			if g.chunks[c].zstd {
				compressed++
			}
		}
		pages += size
		per[column.name] = float64(size) / float64(sum.Rows)
		t.Logf("%-32s %.3f B/row, %d of %d chunks compressed", column.name, per[column.name], compressed, len(f.index.groups))
	}
	overhead := float64(sum.Bytes-pages) / float64(sum.Rows)
	t.Logf("%-32s %.3f B/row", "index and footer", overhead)
	if per["cpu_usage"] > 1.5 || per["host"]+per["time"]+per["origin"]+overhead > 0.5 {
		t.Errorf("cpu_usage %.3f, host %.3f, time %.3f, origin %.3f, index and footer %.3f B/row", per["cpu_usage"], per["host"], per["time"], per["origin"], overhead)
	}
}

// BenchmarkScanGrouped answers a question over 1,000 hosts: a profile of
// cpu_usage for each, from an open file. It uses one goroutine.
func BenchmarkScanGrouped(b *testing.B) {
	d := benchOnce()
	var out bytes.Buffer
	d.write(b, &out, Options{})
	f := open(b, out.Bytes())
	builder := fleet.NewProfileBuilder(fleet.CPUUsage)
	var s Scratch
	scan := func(b *testing.B, add func(run int, values []int32) error) {
		var samples int64
		for b.Loop() {
			samples = 0
			err := f.Scan(fleet.CPUUsage, 0, len(f.Runs()), &s, func(run int, values []int32, _ []bool) error {
				samples += int64(len(values))
				return add(run, values)
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		if samples != d.rows {
			b.Fatalf("%d samples of %d", samples, d.rows)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(samples), "ns/sample")
	}
	b.Run("scan", func(b *testing.B) {
		scan(b, func(int, []int32) error { return nil })
	})
	b.Run("group", func(b *testing.B) {
		builder.Reset(fleet.CPUUsage)
		scan(b, func(run int, values []int32) error {
			builder.AddRun(values, int64(f.Runs()[run].Step))
			return nil
		})
	})
	b.Run("profiles", func(b *testing.B) {
		scan(b, func(run int, values []int32) error {
			builder.Reset(fleet.CPUUsage)
			builder.AddRun(values, int64(f.Runs()[run].Step))
			builder.Build(nil, fleet.Window{})
			return nil
		})
	})
}

// BenchmarkOpen opens a day of 1,000 hosts from memory.
func BenchmarkOpen(b *testing.B) {
	d := benchOnce()
	var out bytes.Buffer
	d.write(b, &out, Options{})
	b.ReportAllocs()
	for b.Loop() {
		open(b, out.Bytes())
	}
}

// BenchmarkOneHost reads one host's day of one metric from an open file.
func BenchmarkOneHost(b *testing.B) {
	d := benchOnce()
	var out bytes.Buffer
	d.write(b, &out, Options{})
	f := open(b, out.Bytes())
	var s Scratch
	i := 0
	for b.Loop() {
		i = (i + 37) % benchHosts
		lo, hi := f.FindHost(hostName(i))
		if err := f.Scan(fleet.CPUUsage, lo, hi, &s, func(int, []int32, []bool) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReseal writes a day again with late rows for one host: nine row
// groups are copied, one is read and written.
func BenchmarkReseal(b *testing.B) {
	d := benchOnce()
	var out bytes.Buffer
	d.write(b, &out, Options{})
	f := open(b, out.Bytes())
	for b.Loop() {
		var s Scratch
		w, err := NewWriter(io.Discard, testDay, d.metrics, Options{})
		if err != nil {
			b.Fatal(err)
		}
		for i, seg := range f.Segments() {
			if i != 4 {
				_, err = w.Copy(f, seg, &s)
			} else {
				err = w.recode(f, seg, &s)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		if _, err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
