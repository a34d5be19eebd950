package files

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/leanfleet/leanfleet/fleet"
)

// now is when the imports of tests happen.
var now = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)

// write puts a file into a folder of the test's own and returns its path.
func write(tb testing.TB, name string, data []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

func gzipped(tb testing.TB, data []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func zstded(tb testing.TB, data []byte) []byte {
	tb.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return z.EncodeAll(data, nil)
}

// read returns the batches of files as lines "HOST STEP TIME METRIC=STORED ...",
// by host, then time, and the summary.
func read(tb testing.TB, opt SamplesOptions, paths ...string) ([]string, SamplesSummary, error) {
	tb.Helper()
	if opt.Now.IsZero() {
		opt.Now = now
	}
	var lines []string
	sum, err := ReadSamples(context.Background(), paths, opt, func(b fleet.Batch) error {
		if err := b.Validate(); err != nil {
			tb.Errorf("a batch is not valid: %v", err)
		}
		lines = append(lines, show(b)...)
		return nil
	})
	slices.Sort(lines)
	return lines, sum, err
}

func show(b fleet.Batch) []string {
	var lines []string
	for i, t := range b.Start {
		line := fmt.Sprintf("%s %d %d", b.Host, b.Step, t)
		for _, c := range b.Columns {
			if c.Has(i) {
				line += fmt.Sprintf(" %s=%d", c.Metric.Name, c.Values[i])
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// same fails the test unless got is want.
func same(tb testing.TB, got, want []string) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// fails fails the test unless err reads as want, with the folder of the test's
// file cut away.
func fails(tb testing.TB, err error, path, want string) {
	tb.Helper()
	if err == nil {
		tb.Fatalf("no error; want %q", want)
	}
	if got := strings.ReplaceAll(err.Error(), filepath.Dir(path)+string(filepath.Separator), ""); got != want {
		tb.Errorf("error\n  %s\nwant\n  %s", got, want)
	}
}

// sized answers for the capacity of every host.
func sized(vcpus float64, memory int64) func(string, time.Time) ([]fleet.Record, error) {
	return func(host string, _ time.Time) ([]fleet.Record, error) {
		return []fleet.Record{{Host: fleet.HostID(host), Capacity: fleet.Capacity{VCPUs: vcpus, MemoryBytes: memory}}}, nil
	}
}
