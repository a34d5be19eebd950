package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

func TestReadSamples(t *testing.T) {
	path := write(t, "s.csv", []byte(`host,timestamp,cpu_usage,disk_read_bytes_per_second,load1
a,1767225600,0.5,204.8,
a,1767225660, 0.25 ,,1.5
b,1767225600,1.3,1e3,0
a,1767225720,,,
b,1767225900,1.0001,0,0
`))
	lines, sum, err := read(t, SamplesOptions{}, path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, lines, []string{
		"a 60000 1767225600000 cpu_usage=5000 disk_read_bytes_per_second=2",
		"a 60000 1767225660000 cpu_usage=2500 load1=150",
		"b 300000 1767225600000 cpu_usage=13000 disk_read_bytes_per_second=10 load1=0",
		"b 300000 1767225900000 cpu_usage=10001 disk_read_bytes_per_second=0 load1=0",
	})
	want := SamplesSummary{
		Files: 1, Rows: 5, Samples: 10, Hosts: 2,
		Window:   fleet.Window{Start: time.UnixMilli(1767225600000).UTC(), End: time.UnixMilli(1767226200000).UTC()},
		Steps:    []StepCount{{60, 1}, {300, 1}},
		AboveOne: 2,
		High:     []HighRatio{{"b", "cpu_usage", 1.3, 1}},
	}
	if !reflect.DeepEqual(sum, want) {
		t.Errorf("got  %+v\nwant %+v", sum, want)
	}
}

func TestReadSamplesRenames(t *testing.T) {
	path := write(t, "s.csv", []byte("vm,time,cpu,note,cpu_cores_used\nA B,2026-01-01T00:00:00Z,0.1,\"x,\ny\",2\n\"A B\",2026-01-01T00:05:00Z,0.2,,1\n"))
	opt := SamplesOptions{
		Map:    map[string]string{"vm": "host", "cpu": "cpu_usage", "cpu_cores_used": "cpu_cores_used_peak"},
		Ignore: []string{"note"}, Records: sized(4, 0), Origin: fleet.OriginCloud,
	}
	lines, _, err := read(t, opt, path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, lines, []string{
		"A B 300000 1767225600000 cpu_usage=1000 cpu_usage_peak=5000 capacity_vcpus=400",
		"A B 300000 1767225900000 cpu_usage=2000 cpu_usage_peak=2500 capacity_vcpus=400",
	})
	opt.Map["note"], opt.Ignore = "-", nil
	var origin fleet.Origin
	if _, err := ReadSamples(t.Context(), []string{path}, opt, func(b fleet.Batch) error { origin = b.Origin; return nil }); err != nil || origin != fleet.OriginCloud {
		t.Errorf("origin %s, error %v", origin, err)
	}
}

// Two files load into the same hosts, one as mean and one as peak.
func TestReadSamplesSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for name, header := range map[string]string{"mean.csv": "cpu_usage", "peak.csv": "cpu_usage_peak"} {
		p := filepath.Join(dir, name)
		paths = append(paths, p)
		if err := os.WriteFile(p, []byte("host,timestamp,"+header+"\na,1767225600,0.5\na,1767225660,0.5\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, sum, err := read(t, SamplesOptions{}, paths...)
	if err != nil || sum.Files != 2 || sum.Hosts != 1 || sum.Samples != 4 || sum.Steps[0].Hosts != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// Structural mistakes name file, line and column and stop; nothing can skip
// them.
func TestReadSamplesStructuralErrors(t *testing.T) {
	const head = "host,timestamp,cpu_usage\n"
	const row = "a,1767225600,0.5\n"
	tests := []struct{ name, text, want string }{
		{"empty", "", "s.csv: the file is empty: its first line must name the columns host, timestamp and metrics"},
		{"unknown column", "host,timestamp,cpu_usag\n", `s.csv:1: column 3 (cpu_usag): unknown column "cpu_usag"; did you mean "cpu_usage" or "cpu_usage_peak"? (to leave a column out, map it to -)`},
		{"unknown column far from all", "host,timestamp,zzzzzzzz\n", `s.csv:1: column 3 (zzzzzzzz): unknown column "zzzzzzzz" (to leave a column out, map it to -)`},
		{"no host", "hosts,timestamp,cpu_usage\n", `s.csv:1: column 1 (hosts): unknown column "hosts"; did you mean "host"? (to leave a column out, map it to -)`},
		{"no host column", "timestamp,cpu_usage\n", `s.csv:1: there is no column host: the header is "timestamp,cpu_usage"`},
		{"no time", "host,cpu_usage\n", `s.csv:1: there is no column timestamp: the header is "host,cpu_usage"`},
		{"no metric", "host,timestamp\n", `s.csv:1: no column holds a metric`},
		{"no header", "a,1767225600,0.5\n", `s.csv:1: column 1 (a): unknown column "a" (to leave a column out, map it to -)`},
		{"semicolons", "host;timestamp;cpu_usage\n", `s.csv:1: column 1 (host;timestamp;cpu_usage): unknown column "host;timestamp;cpu_usage" (to leave a column out, map it to -); columns are separated by commas, not semicolons`},
		{"twice", "host,timestamp,cpu_usage,cpu_usage\n", `s.csv:1: column 4 (cpu_usage): column 3 (cpu_usage) is read as cpu_usage too`},
		{"two times", "host,timestamp,time,cpu_usage\n", `s.csv:1: column 3 (time): column 2 (timestamp) is the time already`},
		{"ratio and absolute", "host,timestamp,cpu_usage,cpu_cores_used\n", `s.csv:1: column 4 (cpu_cores_used): column 3 (cpu_usage) says the same as a ratio; leave one of them out`},
		{"header not text", "host,timestamp,\xff\n", `s.csv:1: column 3: the header is not UTF-8 text`},
		{"header quote", "host,\"timestamp\n", `s.csv:1: column 2: a quote (") that is never closed`},
		{"few columns", head + row + "a,1767225660\n", `s.csv:3: column 2 (timestamp): 2 columns where the header has 3`},
		{"many columns", head + row + "a,1767225660,1,2,3\n", `s.csv:3: column 3 (cpu_usage): 5 columns where the header has 3`},
		{"one column", head + "a\n", `s.csv:2: column 1 (host): 1 column where the header has 3`},
		{"not a number", head + row + "a,1767225660,n/a\n", `s.csv:3: column 3 (cpu_usage): "n/a" is not a number`},
		{"not a time", head + "a,yesterday,0.5\n", `s.csv:2: column 2 (timestamp): "yesterday" is not a time: use Unix seconds, Unix milliseconds or RFC 3339 (2026-01-31T08:00:00Z)`},
		{"no zone", head + "a,2026-01-31T08:00:00,0.5\n", `s.csv:2: column 2 (timestamp): "2026-01-31T08:00:00" has no time zone: write 2026-01-31T08:00:00Z for UTC, or add an offset such as +05:30`},
		{"microseconds", head + "a,1767225600000000,0.5\n", `s.csv:2: column 2 (timestamp): "1767225600000000" is too large for Unix milliseconds: divide microseconds by 1000 and nanoseconds by 1000000`},
		{"no host name", head + ",1767225600,0.5\n", `s.csv:2: column 1 (host): the host is empty`},
		{"host not text", head + "\xff,1767225600,0.5\n", `s.csv:2: column 1 (host): "\xff" is not UTF-8 text`},
		{"host with control character", head + "\"a\nb\",1767225600,0.5\n", `s.csv:2: column 1 (host): "a\nb" has a control character`},
		{"long host", head + strings.Repeat("x", 1025) + ",1767225600,0.5\n", `s.csv:2: column 1 (host): the name of the host is longer than 1024 bytes`},
		{"bare quote", head + row + "a,1767225660,0\"5\n", `s.csv:3: column 3: a quote (") in the middle of an unquoted field`},
		{"after quote", head + row + "\"a\"b,1767225660,0.5\n", `s.csv:3: column 1: text after the closing quote (") of a field`},
		{"open quote", head + row + "\"a,1767225660,0.5\n", `s.csv:3: column 1: a quote (") that is never closed`},
		{"one row", head + row, `s.csv:2: column 2 (timestamp): host a has one row in the file, so the time its rows cover cannot be told: give the step`},
		{"zip", "PK\x03\x04rest", "s.csv: this is a zip archive or a spreadsheet; leanfleet reads CSV (plain, gzip or zstd) and Parquet"},
		{"UTF-16", "\xff\xfeh\x00o\x00", "s.csv: this is UTF-16 text (save it as UTF-8); leanfleet reads CSV (plain, gzip or zstd) and Parquet"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "s.csv", []byte(tt.text))
			for _, skip := range []bool{false, true} {
				_, _, err := read(t, SamplesOptions{SkipBad: skip}, path)
				fails(t, err, path, tt.want)
			}
		})
	}
}

// Impossible values stop the import, or are left out and counted by reason.
func TestReadSamplesImpossible(t *testing.T) {
	const head = "host,timestamp,cpu_usage,memory_usage\n"
	tests := []struct {
		name, text string
		opt        SamplesOptions
		want       string
		kept       int64
		skip       Skip
	}{
		{
			"negative", head + "a,1767225600,0.5,-0.1\na,1767225660,0.5,0.1\n", SamplesOptions{},
			"s.csv:2: column 4 (memory_usage): impossible value: -0.1 is negative", 3, Skip{reasonNegative, 1, 0, "s.csv:2: column 4 (memory_usage): -0.1 is negative"},
		},
		{
			"NaN", head + "a,1767225600,NaN,0.1\na,1767225660,nan,0.1\n", SamplesOptions{},
			"s.csv:2: column 3 (cpu_usage): impossible value: NaN is not a number", 2, Skip{reasonNotNumber, 2, 0, "s.csv:2: column 3 (cpu_usage): NaN is not a number"},
		},
		{
			"infinite", head + "a,1767225600,0.5,0.1\na,1767225660,+Inf,0.1\n", SamplesOptions{},
			"s.csv:3: column 3 (cpu_usage): impossible value: +Inf is too large: the largest cpu_usage is 214748.3647", 3, Skip{reasonTooLarge, 1, 0, "s.csv:3: column 3 (cpu_usage): +Inf is too large: the largest cpu_usage is 214748.3647"},
		},
		{
			"too large", head + "a,1767225600,0.5,1e300\na,1767225660,0.5,0.1\n", SamplesOptions{},
			"s.csv:2: column 4 (memory_usage): impossible value: 1e300 is too large: the largest memory_usage is 214748.3647", 3, Skip{reasonTooLarge, 1, 0, "s.csv:2: column 4 (memory_usage): 1e300 is too large: the largest memory_usage is 214748.3647"},
		},
		{
			"future", head + "a,1767225600,0.5,0.1\na,1767225660,0.5,0.1\na,2026-02-02T00:00:00.001Z,0.5,\n", SamplesOptions{},
			"s.csv:4: column 2 (timestamp): impossible value: 2026-02-02T00:00:00.001Z is in the future", 4, Skip{reasonFuture, 1, 1, "s.csv:4: column 2 (timestamp): 2026-02-02T00:00:00.001Z is in the future"},
		},
		{
			"before 1970", head + "a,-1,0.5,0.1\na,1767225600,0.5,0.1\na,1767225660,0.5,0.1\n", SamplesOptions{},
			"s.csv:2: column 2 (timestamp): impossible value: 1969-12-31T23:59:59Z is before 1970", 4, Skip{reasonPast, 2, 1, "s.csv:2: column 2 (timestamp): 1969-12-31T23:59:59Z is before 1970"},
		},
		{
			"interval from before 1970", head + "a,30,0.5,0.1\na,90,0.5,0.1\n", SamplesOptions{Stamp: StampEnd},
			"s.csv:2: column 2 (timestamp): impossible value: an interval that ends at 1970-01-01T00:00:30Z begins before 1970", 2, Skip{reasonPast, 2, 1, "s.csv:2: column 2 (timestamp): an interval that ends at 1970-01-01T00:00:30Z begins before 1970"},
		},
		{
			"backwards", head + "a,1767225660,0.5,0.1\nb,1767225600,0.5,0.1\na,1767225600,0.5,0.1\na,1767225720,0.5,0.1\n", SamplesOptions{},
			"s.csv:4: column 2 (timestamp): impossible value: time goes backwards: host a has 2026-01-01T00:00:00Z here, after 2026-01-01T00:01:00Z on line 2", 6, Skip{reasonBackwards, 2, 1, "s.csv:4: column 2 (timestamp): time goes backwards: host a has 2026-01-01T00:00:00Z here, after 2026-01-01T00:01:00Z on line 2"},
		},
		{
			"two values", head + "a,1767225600,0.5,0.1\na,1767225600,0.6,0.1\na,1767225660,0.5,0.1\n", SamplesOptions{},
			"s.csv:3: column 3 (cpu_usage): impossible value: host a has two values of cpu_usage at 2026-01-01T00:00:00Z: 0.6 here and 0.5 on line 2", 4, Skip{reasonConflict, 1, 0, "s.csv:3: column 3 (cpu_usage): host a has two values of cpu_usage at 2026-01-01T00:00:00Z: 0.6 here and 0.5 on line 2"},
		},
		{
			"zero capacity", "host,timestamp,cpu_usage,capacity_vcpus\na,1767225600,0.5,0\na,1767225660,0.5,2\n", SamplesOptions{},
			"s.csv:2: column 4 (capacity_vcpus): impossible value: 0 is no capacity: leave the cell empty where it is unknown", 3, Skip{reasonZero, 1, 0, "s.csv:2: column 4 (capacity_vcpus): 0 is no capacity: leave the cell empty where it is unknown"},
		},
		{
			"no capacity", "host,timestamp,cpu_cores_used,load1\na,1767225600,2,1\na,1767225660,2,\n", SamplesOptions{},
			"s.csv:2: column 3 (cpu_cores_used): no capacity is known for host a at 2026-01-01T00:00:00Z: give capacity_vcpus in the file, or vcpus or instance_type in an inventory", 1, Skip{reasonNoSize, 2, 0, "s.csv:2: column 3 (cpu_cores_used): for host a at 2026-01-01T00:00:00Z: give capacity_vcpus in the file, or vcpus or instance_type in an inventory"},
		},
		{
			"no memory", "host,timestamp,memory_used_bytes\na,1767225600,2\n", SamplesOptions{Step: time.Minute, Records: sized(4, 0)},
			"s.csv:2: column 3 (memory_used_bytes): no capacity is known for host a at 2026-01-01T00:00:00Z: give capacity_memory_bytes in the file, or memory_bytes or instance_type in an inventory", 0, Skip{reasonNoSize, 1, 0, "s.csv:2: column 3 (memory_used_bytes): for host a at 2026-01-01T00:00:00Z: give capacity_memory_bytes in the file, or memory_bytes or instance_type in an inventory"},
		},
		{
			"negative absolute", "host,timestamp,cpu_cores_used\na,1767225600,-2\na,1767225660,2\n", SamplesOptions{Records: sized(4, 0)},
			"s.csv:2: column 3 (cpu_cores_used): impossible value: -2 is negative", 2, Skip{reasonNegative, 1, 0, "s.csv:2: column 3 (cpu_cores_used): -2 is negative"},
		},
		{
			"infinite absolute", "host,timestamp,cpu_cores_used\na,1767225600,inf\na,1767225660,2\n", SamplesOptions{Records: sized(4, 0)},
			"s.csv:2: column 3 (cpu_cores_used): impossible value: inf is too large: the largest cpu_usage is 214748.3647", 2, Skip{reasonTooLarge, 1, 0, "s.csv:2: column 3 (cpu_cores_used): inf is too large: the largest cpu_usage is 214748.3647"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "s.csv", []byte(tt.text))
			_, _, err := read(t, tt.opt, path)
			fails(t, err, path, tt.want)
			if !errors.Is(err, fleet.ErrImpossible) && !errors.Is(err, ErrNoCapacity) {
				t.Errorf("the error wraps neither fleet.ErrImpossible nor ErrNoCapacity")
			}
			tt.opt.SkipBad = true
			_, sum, err := read(t, tt.opt, path)
			if err != nil {
				t.Fatal(err)
			}
			if sum.Samples != tt.kept || len(sum.Skipped) != 1 {
				t.Fatalf("kept %d, skipped %+v; want %d", sum.Samples, sum.Skipped, tt.kept)
			}
			got := sum.Skipped[0]
			got.First = strings.ReplaceAll(got.First, filepath.Dir(path)+string(filepath.Separator), "")
			if got != tt.skip {
				t.Errorf("skipped %+v\nwant    %+v", got, tt.skip)
			}
		})
	}
}

func TestReadSamplesOptionErrors(t *testing.T) {
	path := write(t, "s.csv", []byte("host,timestamp,cpu_usage,cpu\na,1767225600,0.5,1\n"))
	f := func(opt SamplesOptions, want string) {
		t.Helper()
		_, _, err := read(t, opt, path)
		fails(t, err, path, want)
	}
	f(SamplesOptions{Stamp: "middle"}, `stamp "middle": use start or end`)
	f(SamplesOptions{Step: time.Microsecond}, "step 1µs: use whole milliseconds, 1 ms to 24 h")
	f(SamplesOptions{Step: 25 * time.Hour}, "step 25h0m0s: use whole milliseconds, 1 ms to 24 h")
	f(SamplesOptions{Map: map[string]string{"cpu": "cpu_usge"}}, `map cpu=cpu_usge: there is no column "cpu_usge" to read it as; did you mean "cpu_usage"?`)
	f(SamplesOptions{Map: map[string]string{"cpus": "load1"}, Ignore: []string{"cpu"}}, `s.csv:1: there is no column "cpus" to rename or leave out; did you mean "cpu"?`)
	f(SamplesOptions{Map: map[string]string{"cpu": "cpu_usage"}}, `s.csv:1: column 4 (cpu): column 3 (cpu_usage) is read as cpu_usage too`)
	_, _, err := read(t, SamplesOptions{}, filepath.Dir(path))
	if err == nil || !strings.HasSuffix(err.Error(), ": is a directory, not a file") {
		t.Errorf("a directory: %v", err)
	}
	if _, _, err = read(t, SamplesOptions{}, path+"x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// A renamed column need be in one of the files.
func TestReadSamplesMapInOneFile(t *testing.T) {
	a := write(t, "a.csv", []byte("host,timestamp,cpu\na,1767225600,0.5\n"))
	b := write(t, "b.csv", []byte("host,timestamp,load1\na,1767225600,0.5\n"))
	opt := SamplesOptions{Step: time.Minute, Map: map[string]string{"cpu": "cpu_usage"}}
	if _, sum, err := read(t, opt, a, b); err != nil || sum.Samples != 2 {
		t.Errorf("%+v, %v", sum, err)
	}
}

func TestReadSamplesSteps(t *testing.T) {
	f := func(opt SamplesOptions, text string, want ...string) {
		t.Helper()
		lines, _, err := read(t, opt, write(t, "s.csv", []byte("host,timestamp,load1\n"+text)))
		if err != nil {
			t.Error(err)
		}
		same(t, lines, want)
	}
	// The commonest of 60, 300, 60 s; the gap of two days is none.
	f(SamplesOptions{}, "a,1767225600,1\na,1767225660,1\na,1767225960,1\na,1767226020,1\na,1767398820,1\n",
		"a 60000 1767225600000 load1=100", "a 60000 1767225660000 load1=100", "a 60000 1767225960000 load1=100", "a 60000 1767226020000 load1=100", "a 60000 1767398820000 load1=100")
	// The shorter of two equally common ones.
	f(SamplesOptions{}, "a,1767225600,1\na,1767225900,1\na,1767225960,1\n",
		"a 60000 1767225600000 load1=100", "a 60000 1767225900000 load1=100", "a 60000 1767225960000 load1=100")
	// Times that tremble by milliseconds; b has one row and takes what others have.
	f(SamplesOptions{}, "a,1767225600.003,1\nb,1767225600,2\na,1767225659.998,1\na,1767225720.011,1\n",
		"a 60000 1767225600003 load1=100", "a 60000 1767225659998 load1=100", "a 60000 1767225720011 load1=100", "b 60000 1767225600000 load1=200")
	// Short steps keep their milliseconds.
	f(SamplesOptions{}, "a,1767225600.0,1\na,1767225600.25,1\n", "a 250 1767225600000 load1=100", "a 250 1767225600250 load1=100")
	// A given step holds for all, and the end stamp moves by it.
	f(SamplesOptions{Step: 5 * time.Minute, Stamp: StampEnd}, "a,1767225600,1\n", "a 300000 1767225300000 load1=100")
	// The end stamp moves by the step found.
	f(SamplesOptions{Stamp: StampEnd}, "a,1767225660,1\na,1767225720,1\n", "a 60000 1767225600000 load1=100", "a 60000 1767225660000 load1=100")
}

func TestCommonestOfMany(t *testing.T) {
	var d differences
	at := int64(0)
	for i := range int64(10_000) {
		at += 1 + i%500 // 500 different ones, each as common
		d.add(at)
		if i%10 == 0 {
			at += 700
			d.add(at)
		}
	}
	if len(d.counts) > maxDifferences {
		t.Errorf("%d differences are kept", len(d.counts))
	}
	if got := commonest(d.counts); got != 700 {
		t.Errorf("the commonest is %d", got)
	}
}

// Rows of one host at one time may add to one another and repeat one another.
func TestReadSamplesRepeats(t *testing.T) {
	path := write(t, "s.csv", []byte("host,timestamp,cpu_usage,load1\na,1767225600,0.5,\na,1767225600,,1\na,1767225600,0.5,1\na,1767225660,0.5,1\na,1767225720,,\na,1767225720,0.1,\n"))
	lines, sum, err := read(t, SamplesOptions{}, path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, lines, []string{
		"a 60000 1767225600000 cpu_usage=5000 load1=100",
		"a 60000 1767225660000 cpu_usage=5000 load1=100",
		"a 60000 1767225720000 cpu_usage=1000",
	})
	if sum.Repeated != 2 || sum.Samples != 5 {
		t.Errorf("repeated %d, samples %d", sum.Repeated, sum.Samples)
	}
}

func TestReadSamplesCapacity(t *testing.T) {
	const day = 24 * time.Hour
	resize := time.Date(2026, 1, 1, 0, 10, 0, 0, time.UTC)
	asked := 0
	records := func(host string, at time.Time) ([]fleet.Record, error) {
		asked++
		if at.After(resize.Add(day)) { // the name belongs to another host by then
			return []fleet.Record{{Host: "other", Capacity: fleet.Capacity{VCPUs: 16}}}, nil
		}
		return []fleet.Record{
			{Host: "id-" + fleet.HostID(host), To: resize, Capacity: fleet.Capacity{VCPUs: 2, MemoryBytes: 4 << 30}},
			{Host: "id-" + fleet.HostID(host), From: resize, Capacity: fleet.Capacity{VCPUs: 4, MemoryBytes: 8 << 30}},
		}, nil
	}
	text := "host,timestamp,memory_used_bytes,cpu_cores_used,capacity_vcpus\n" +
		"a,2026-01-01T00:00:00Z,1073741824,1,\n" +
		"a,2026-01-01T00:05:00Z,,1,8\n" +
		"a,2026-01-01T00:10:00Z,1073741824,1,\n" +
		"a,2026-01-03T00:00:00Z,,1,\n"
	path := write(t, "s.csv", []byte(text))
	var batches []string
	var lines []string
	_, err := ReadSamples(t.Context(), []string{path}, SamplesOptions{Records: records}, func(b fleet.Batch) error {
		batches = append(batches, fmt.Sprintf("%s %d", b.Host, len(b.Start)))
		lines = append(lines, show(b)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, lines, []string{
		"a 300000 1767225600000 capacity_vcpus=200 memory_usage=2500 capacity_memory_bytes=4096 cpu_usage=5000",
		"a 300000 1767225900000 capacity_vcpus=800 cpu_usage=1250",
		"a 300000 1767226200000 capacity_vcpus=400 memory_usage=1250 capacity_memory_bytes=8192 cpu_usage=2500",
		"a 300000 1767398400000 capacity_vcpus=1600 cpu_usage=625",
	})
	same(t, batches, []string{"a 3", "a 1"}) // cut where the name changes hands
	if asked != 2 {
		t.Errorf("records were asked for %d times, want once for each day", asked)
	}
	_, _, err = read(t, SamplesOptions{Records: func(string, time.Time) ([]fleet.Record, error) { return nil, io.ErrClosedPipe }}, path)
	if !errors.Is(err, io.ErrClosedPipe) || !strings.Contains(err.Error(), "s.csv:2: column 3 (memory_used_bytes): capacity of host a: ") {
		t.Errorf("error of records: %v", err)
	}
	_, _, err = read(t, SamplesOptions{Records: func(string, time.Time) ([]fleet.Record, error) { return nil, nil }}, path)
	if !errors.Is(err, ErrNoCapacity) {
		t.Errorf("no records: %v", err)
	}
}

// However hosts take turns, the batches say the same, and little is buffered.
func TestReadSamplesAnyOrderBounded(t *testing.T) {
	const hosts, rows = 50, 300
	var byHost, byTime bytes.Buffer
	line := func(b *bytes.Buffer, h, i int) { fmt.Fprintf(b, "h%02d,%d,%d\n", h, 1700000000+60*i, (h*i)%97) }
	byHost.WriteString("host,timestamp,load1\n")
	byTime.WriteString("host,timestamp,load1\n")
	for h := range hosts {
		for i := range rows {
			line(&byHost, h, i)
		}
	}
	for i := range rows {
		for h := range hosts {
			line(&byTime, h, i)
		}
	}
	want, _, err := read(t, SamplesOptions{}, write(t, "h.csv", byHost.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, "t.csv", byTime.Bytes())
	for _, budget := range []int64{1, 10_000, bufferBytes} {
		var lines []string
		var batches int
		in, err := newIntake(t.Context(), SamplesOptions{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		in.budget, in.limit = budget, budget
		in.emit = func(b fleet.Batch) error {
			lines = append(lines, show(b)...)
			batches++
			// Every host holds at least the row that may go on.
			if most := max(budget, 4*hosts*in.rowBytes()) + (batchRows+1)*in.rowBytes(); in.buffered > most {
				t.Fatalf("%d bytes are buffered, at most %d may be", in.buffered, most)
			}
			return nil
		}
		if err := in.file(path); err != nil {
			t.Fatal(err)
		}
		if in.sum.Samples != hosts*rows || len(lines) != hosts*rows || batches < hosts {
			t.Errorf("budget %d: %d samples, %d rows, %d batches", budget, in.sum.Samples, len(lines), batches)
		}
		seen := map[string]bool{}
		for _, l := range lines {
			seen[l] = true
		}
		for _, l := range want {
			if !seen[l] {
				t.Fatalf("budget %d: row %q is missing", budget, l)
			}
		}
	}
}

// Long runs are cut into batches of 4096 rows, and a row repeated across the
// cut is still met.
func TestReadSamplesBatchSize(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("host,timestamp,load1\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "a,%d,1\na,%d,1\n", 1700000000+i, 1700000000+i)
	}
	var sizes []int
	sum, err := ReadSamples(t.Context(), []string{write(t, "s.csv", b.Bytes())}, SamplesOptions{}, func(b fleet.Batch) error {
		sizes = append(sizes, len(b.Start))
		return nil
	})
	if err != nil || !reflect.DeepEqual(sizes, []int{4096, 4096, 1808}) || sum.Repeated != 10_000 || sum.Samples != 10_000 {
		t.Errorf("sizes %v, %+v, %v", sizes, sum, err)
	}
}

func TestReadSamplesStops(t *testing.T) {
	path, _ := benchFile(t, 3, 5000, false)
	stop := errors.New("enough")
	if _, err := ReadSamples(t.Context(), []string{path}, SamplesOptions{}, func(fleet.Batch) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error of emit: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := ReadSamples(ctx, []string{path}, SamplesOptions{}, func(fleet.Batch) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := ReadSamples(ctx, []string{path}, SamplesOptions{}, func(fleet.Batch) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled from the start: %v", err)
	}
}

func FuzzReadSamples(f *testing.F) {
	f.Add([]byte("host,timestamp,cpu_usage\na,1767225600,0.5\na,1767225660,0.25\n"), true, false)
	f.Add([]byte("host,time,cpu_cores_used,capacity_vcpus,load1\n\"a\",2026-01-01T00:00:00Z,1,2,\nb,1,,,-1\na,2026-01-01T00:00:00Z,1,2,3\n"), false, true)
	f.Add([]byte("host,timestamp,memory_used_bytes\na,1767225600,nan\n"), true, true)
	f.Fuzz(func(t *testing.T, data []byte, skip, step bool) {
		opt := SamplesOptions{SkipBad: skip, Now: now, Stdin: bytes.NewReader(data), Records: sized(4, 8<<30)}
		if step {
			opt.Step = time.Minute
		}
		samples := int64(0)
		last := map[fleet.HostID]int64{}
		sum, err := ReadSamples(t.Context(), []string{"-"}, opt, func(b fleet.Batch) error {
			if err := b.Validate(); err != nil {
				t.Fatalf("a batch is not valid: %v", err)
			}
			if before, ok := last[b.Host]; ok && before >= b.Start[0] {
				t.Fatalf("batches of host %s overlap", b.Host)
			}
			last[b.Host] = b.Start[len(b.Start)-1]
			samples += int64(b.Samples())
			return nil
		})
		if sum.Samples != samples {
			t.Fatalf("%d samples are counted, %d emitted", sum.Samples, samples)
		}
		if err != nil && !strings.Contains(err.Error(), "standard input") {
			t.Fatalf("the error does not name the input: %v", err)
		}
	})
}
