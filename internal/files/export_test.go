package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"

	"pgregory.net/rapid"
)

// seq yields batches.
func seq(batches ...fleet.Batch) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		for _, b := range batches {
			if !yield(b, nil) {
				return
			}
		}
	}
}

func exported() ([]fleet.Metric, []fleet.Batch) {
	m := fleet.CanonicalMetrics()
	disk, _ := m.Lookup("disk_read_bytes_per_second")
	metrics := []fleet.Metric{fleet.CPUUsage, disk, fleet.CapacityMemory}
	return metrics, []fleet.Batch{
		{Host: "a", Step: 60_000, Start: []int64{1767225600000, 1767225660250}, Columns: []fleet.Column{
			{Metric: fleet.CapacityMemory, Values: []int32{1024, 1024}},
			{Metric: fleet.CPUUsage, Values: []int32{4032, 0}, Present: []bool{true, false}},
		}},
		{Host: `b,"x`, Step: 60_000, Start: []int64{1767225600000}, Columns: []fleet.Column{{Metric: disk, Values: []int32{3}}}},
	}
}

func TestWriteSamplesCSV(t *testing.T) {
	metrics, batches := exported()
	f := func(format TimeFormat, want string) {
		t.Helper()
		var b bytes.Buffer
		sum, err := WriteSamplesCSV(t.Context(), &b, metrics, seq(batches...), format)
		if err != nil || b.String() != want || sum != (ExportSummary{Rows: 3, Samples: 4}) {
			t.Errorf("%+v, %v, got\n%s\nwant\n%s", sum, err, b.String(), want)
		}
	}
	f("", `host,timestamp,cpu_usage,disk_read_bytes_per_second,capacity_memory_bytes
a,2026-01-01T00:00:00Z,0.4032,,1073741824
a,2026-01-01T00:01:00.25Z,,,1073741824
"b,""x",2026-01-01T00:00:00Z,,307.2,
`)
	f(TimeUnixMillis, `host,timestamp,cpu_usage,disk_read_bytes_per_second,capacity_memory_bytes
a,1767225600000,0.4032,,1073741824
a,1767225660250,,,1073741824
"b,""x",1767225600000,,307.2,
`)
}

func TestWriteSamplesErrors(t *testing.T) {
	metrics, batches := exported()
	broken := errors.New("no space left")
	writers := map[string]func(metrics []fleet.Metric, rows iter.Seq2[fleet.Batch, error]) error{
		"CSV": func(m []fleet.Metric, rows iter.Seq2[fleet.Batch, error]) error {
			_, err := WriteSamplesCSV(t.Context(), full{broken}, m, rows, "")
			return err
		},
		"Parquet": func(m []fleet.Metric, rows iter.Seq2[fleet.Batch, error]) error {
			_, err := WriteSamplesParquet(t.Context(), full{broken}, m, rows)
			return err
		},
	}
	for name, export := range writers {
		f := func(metrics []fleet.Metric, rows iter.Seq2[fleet.Batch, error], want string) {
			t.Helper()
			if err := export(metrics, rows); err == nil || err.Error() != want {
				t.Errorf("%s: error %v, want %s", name, err, want)
			}
		}
		f([]fleet.Metric{fleet.CPUCoresUsed}, seq(), "export cpu_cores_used: it is not stored but derived on reading: export cpu_usage and capacity_vcpus")
		f([]fleet.Metric{fleet.CPUUsage, fleet.CPUUsage}, seq(), "export cpu_usage: the metric is named twice")
		f(metrics[:1], seq(batches...), "export host a: metric capacity_memory_bytes is not one of the columns")
		f(metrics, seq(fleet.Batch{Host: "a"}), "export samples: host a: a step of 0 ms is not between 1 ms and 24 h")
		f(metrics, func(yield func(fleet.Batch, error) bool) { yield(fleet.Batch{}, errors.New("a day is missing")) }, "a day is missing")
		if err := export(metrics, seq(batches...)); !errors.Is(err, broken) {
			t.Errorf("%s: a full disk: %v", name, err)
		}
	}
	if _, err := WriteSamplesCSV(t.Context(), &bytes.Buffer{}, metrics, seq(), "epoch"); err == nil || err.Error() != `time format "epoch": use rfc3339 or unix_ms` {
		t.Errorf("time format: %v", err)
	}
	many := make([]fleet.Batch, 20_000)
	for i := range many {
		many[i] = batches[0]
	}
	if _, err := WriteSamplesCSV(t.Context(), full{broken}, metrics, seq(many...), ""); !errors.Is(err, broken) {
		t.Errorf("a full disk in the middle: %v", err)
	}
}

type full struct{ err error }

func (f full) Write([]byte) (int, error) { return 0, f.err }

// drawBatches draws rows of some hosts, with gaps in time and missing values,
// such that the commonest difference is the step.
func drawBatches(t *rapid.T) ([]fleet.Metric, []fleet.Batch) {
	all := fleet.CanonicalMetrics().Stored()
	metrics := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, 6, func(m fleet.Metric) string { return m.Name }).Draw(t, "metrics")
	names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z ,"/\-]{0,8}[a-z]`).Filter(func(s string) bool { return s[0] != ' ' }), 1, 4, rapid.ID[string]).Draw(t, "hosts")
	slices.Sort(names)
	var batches []fleet.Batch
	for _, name := range names {
		step := rapid.SampledFrom([]int32{1000, 60_000, 300_000}).Draw(t, "step")
		b := fleet.Batch{Host: fleet.HostID(name), Step: step, Origin: fleet.OriginImport}
		at := rapid.Int64Range(0, 2e12/1000).Draw(t, "from") * 1000
		for range 2 + rapid.IntRange(0, 20).Draw(t, "rows") {
			b.Start = append(b.Start, at)
			at += int64(step)
		}
		if rapid.Bool().Draw(t, "gap") {
			b.Start[len(b.Start)-1] += 12345 * int64(step)
			if len(b.Start) < 5 {
				b.Start = b.Start[:len(b.Start)-1]
			}
		}
		if len(b.Start) < 2 {
			b.Start = append(b.Start, b.Start[0]+int64(step))
		}
		for k, m := range metrics {
			c := fleet.Column{Metric: m}
			for range b.Start {
				low := int32(0)
				if m.Name == fleet.CapacityVCPUs.Name || m.Name == fleet.CapacityMemory.Name {
					low = 1
				}
				c.Values = append(c.Values, rapid.Int32Min(low).Draw(t, "value"))
				c.Present = append(c.Present, k == 0 || rapid.Bool().Draw(t, "present"))
			}
			b.Columns = append(b.Columns, c)
		}
		batches = append(batches, b)
	}
	return metrics, batches
}

// Exporting and importing again gives the same stored integers at the same
// times, from CSV, compressed CSV and Parquet.
func TestExportRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		metrics, batches := drawBatches(rt)
		var want []string
		for i := range batches {
			// As reading shows them: columns in the order of the file.
			want = append(want, show(batches[i])...)
		}
		slices.Sort(want)
		var plain, millis, columns bytes.Buffer
		if _, err := WriteSamplesCSV(t.Context(), &plain, metrics, seq(batches...), TimeRFC3339); err != nil {
			rt.Fatal(err)
		}
		if _, err := WriteSamplesCSV(t.Context(), &millis, metrics, seq(batches...), TimeUnixMillis); err != nil {
			rt.Fatal(err)
		}
		if _, err := WriteSamplesParquet(t.Context(), &columns, metrics, seq(batches...)); err != nil {
			rt.Fatal(err)
		}
		for name, data := range map[string][]byte{"CSV": plain.Bytes(), "milliseconds": millis.Bytes(), "zstd": zstded(t, plain.Bytes()), "Parquet": columns.Bytes()} {
			lines, _, err := read(t, SamplesOptions{Now: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}, write(t, "x", data))
			if err != nil {
				rt.Fatalf("%s: %v", name, err)
			}
			if !slices.Equal(lines, want) {
				rt.Fatalf("%s: read\n%v\nwrote\n%v", name, lines, want)
			}
		}
	})
}

// A second export of what was read is the same text.
func TestExportIsStable(t *testing.T) {
	metrics, batches := exported()
	batches[0].Step = 60_000
	batches[0].Start[1] = 1767225660000
	batches[1].Start = []int64{1767225600000, 1767225660000}
	batches[1].Columns[0].Values = []int32{3, 4}
	var first bytes.Buffer
	if _, err := WriteSamplesCSV(t.Context(), &first, metrics, seq(batches...), ""); err != nil {
		t.Fatal(err)
	}
	var second bytes.Buffer
	var again []fleet.Batch
	if _, err := ReadSamples(t.Context(), []string{write(t, "s.csv", first.Bytes())}, SamplesOptions{}, func(b fleet.Batch) error {
		b.Start = slices.Clone(b.Start)
		b.Columns = slices.Clone(b.Columns)
		for i := range b.Columns {
			b.Columns[i].Values, b.Columns[i].Present = slices.Clone(b.Columns[i].Values), slices.Clone(b.Columns[i].Present)
		}
		again = append(again, b)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteSamplesCSV(t.Context(), &second, metrics, seq(again...), ""); err != nil || first.String() != second.String() {
		t.Errorf("%v\n%s\n%s", err, first.String(), second.String())
	}
}

func BenchmarkWriteSamples(b *testing.B) {
	metrics := []fleet.Metric{fleet.CPUUsage, fleet.MemoryUsage, fleet.CapacityVCPUs}
	batch := fleet.Batch{Host: "host-0001", Step: 60_000}
	for i := range 4096 {
		batch.Start = append(batch.Start, 1767225600000+int64(i)*60_000)
	}
	for _, m := range metrics {
		c := fleet.Column{Metric: m}
		for i := range batch.Start {
			c.Values = append(c.Values, int32(i*7919%10000)+1)
		}
		batch.Columns = append(batch.Columns, c)
	}
	for _, name := range []string{"csv", "parquet"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var out bytes.Buffer
				var err error
				if name == "csv" {
					_, err = WriteSamplesCSV(b.Context(), &out, metrics, seq(batch, batch, batch, batch), "")
				} else {
					_, err = WriteSamplesParquet(b.Context(), &out, metrics, seq(batch, batch, batch, batch))
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(4*4096*len(metrics))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
		})
	}
}

func ExampleWriteSamplesCSV() {
	metrics, batches := exported()
	var out bytes.Buffer
	sum, err := WriteSamplesCSV(context.Background(), &out, metrics[:1], seq(fleet.Batch{
		Host: batches[0].Host, Step: 60_000, Start: batches[0].Start, Columns: batches[0].Columns[1:],
	}), "")
	fmt.Print(out.String())
	fmt.Println(sum.Rows, sum.Samples, err)
	// Output:
	// host,timestamp,cpu_usage
	// a,2026-01-01T00:00:00Z,0.4032
	// a,2026-01-01T00:01:00.25Z,
	// 2 1 <nil>
}
