package files

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

const twoRows = "host,timestamp,load1\na,1767225600,1\na,1767225660,2\n"

var twoRowsRead = []string{"a 60000 1767225600000 load1=100", "a 60000 1767225660000 load1=200"}

// What an input is, its bytes say, whatever its name.
func TestInputKinds(t *testing.T) {
	inputs := map[string][]byte{
		"plain":           []byte(twoRows),
		"byte order mark": []byte("\xef\xbb\xbf" + twoRows),
		"CRLF":            []byte(strings.ReplaceAll(twoRows, "\n", "\r\n")),
		"no last newline": []byte(strings.TrimSuffix(twoRows, "\n")),
		"gzip":            gzipped(t, []byte(twoRows)),
		"gzip members":    append(gzipped(t, []byte(twoRows[:30])), gzipped(t, []byte(twoRows[30:]))...),
		"zstd":            zstded(t, []byte(twoRows)),
		"zstd skippable":  append([]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"), zstded(t, []byte(twoRows))...),
		"zstd frames":     append(zstded(t, []byte(twoRows[:30])), zstded(t, []byte(twoRows[30:]))...),
	}
	for name, data := range inputs {
		for _, file := range []string{"s.csv", "s.gz", "s.parquet", "-"} {
			for _, step := range []time.Duration{0, time.Minute} {
				opt := SamplesOptions{Step: step, TempDir: t.TempDir()}
				path := "-"
				if file == "-" {
					opt.Stdin = iotest.OneByteReader(bytes.NewReader(data))
				} else {
					path = write(t, file, data)
				}
				lines, _, err := read(t, opt, path)
				if err != nil {
					t.Errorf("%s in %s: %v", name, file, err)
				}
				same(t, lines, twoRowsRead)
				if left, err := os.ReadDir(opt.TempDir); err != nil || len(left) > 0 {
					t.Errorf("%s in %s: left behind %v, %v", name, file, left, err)
				}
			}
		}
	}
}

// Damage of a compressed input names the file, the line reached and the fault;
// nothing is taken for the end.
func TestInputDamage(t *testing.T) {
	var long bytes.Buffer
	long.WriteString("host,timestamp,load1\n")
	for i := range 20_000 {
		long.WriteString("a," + showTime(1767225600000+int64(i)*1000) + "," + strings.Repeat("7", 1+i%5) + "\n")
	}
	for name, whole := range map[string][]byte{"gzip": gzipped(t, long.Bytes()), "zstd": zstded(t, long.Bytes())} {
		for _, cut := range []int{4, 8, 20, len(whole) / 2, len(whole) - 1} {
			path := write(t, "s.csv."+name, whole[:cut])
			_, _, err := read(t, SamplesOptions{SkipBad: true}, path)
			if err == nil || !strings.Contains(err.Error(), "the "+name+" data ends early, the file is truncated") || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s cut to %d bytes: error %v", name, cut, err)
			}
			if cut == len(whole)/2 && !strings.Contains(err.Error(), "s.csv."+name+":") {
				t.Errorf("%s: the error names no line: %v", name, err)
			}
		}
		flipped := bytes.Clone(whole)
		flipped[len(whole)/2] ^= 0x55
		_, _, err := read(t, SamplesOptions{SkipBad: true}, write(t, "s.csv."+name, flipped))
		if err == nil {
			t.Errorf("%s with a flipped byte is read", name)
		}
	}
	path := write(t, "s.csv.gz", append(gzipped(t, []byte(twoRows)), "garbage behind it"...))
	_, _, err := read(t, SamplesOptions{}, path)
	fails(t, err, path, "s.csv.gz:4: the gzip data is damaged: gzip: invalid header")
	path = write(t, "s.csv.gz", gzipped(t, gzipped(t, []byte(twoRows))))
	_, _, err = read(t, SamplesOptions{}, path)
	fails(t, err, path, "s.csv.gz: this is a file compressed twice, or Parquet that was compressed once more: unpack it first; leanfleet reads CSV (plain, gzip or zstd) and Parquet")
	path = write(t, "s.csv.gz", gzipped(t, []byte("PK\x03\x04")))
	_, _, err = read(t, SamplesOptions{}, path)
	fails(t, err, path, "s.csv.gz: this is a zip archive or a spreadsheet; leanfleet reads CSV (plain, gzip or zstd) and Parquet")
	path = write(t, "s.csv.gz", gzipped(t, nil))
	_, _, err = read(t, SamplesOptions{}, path)
	fails(t, err, path, "s.csv.gz: the file is empty: its first line must name the columns host, timestamp and metrics")
}

func TestSniffForeign(t *testing.T) {
	for head, want := range map[string]string{"\xfd7zXZ\x00": "an xz file", "BZh9": "a bzip2 file", "SQLite format 3\x00": "an SQLite database", "PARE": "an encrypted Parquet file", "\xfe\xff\x00h": "UTF-16 text (save it as UTF-8)"} {
		if k, what := sniff([]byte(head)); k != kindForeign || what != want {
			t.Errorf("%q: %v %s", head, k, what)
		}
	}
}

// A named pipe is copied when it must be read twice.
func TestInputPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("/dev/fd", fdName(r))
	if _, err := os.Stat(path); err != nil {
		path = "-" // no such folder on this system
	}
	go func() {
		_, _ = w.WriteString(twoRows) // a failure shows as rows that are missing
		_ = w.Close()
	}()
	opt := SamplesOptions{TempDir: t.TempDir(), Stdin: r}
	lines, _, err := read(t, opt, path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, lines, twoRowsRead)
}

func fdName(f *os.File) string {
	digits := []byte{}
	for n := f.Fd(); ; n /= 10 {
		digits = append([]byte{byte('0' + n%10)}, digits...)
		if n < 10 {
			return string(digits)
		}
	}
}

func TestInputReadError(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, r := range []io.Reader{iotest.ErrReader(broken), io.MultiReader(strings.NewReader(twoRows), iotest.ErrReader(broken))} {
		for _, step := range []time.Duration{0, time.Minute} {
			_, _, err := read(t, SamplesOptions{Stdin: r, Step: step, TempDir: t.TempDir()}, "-")
			if !errors.Is(err, broken) || !strings.Contains(err.Error(), "standard input") {
				t.Errorf("error %v", err)
			}
		}
	}
	_, _, err := read(t, SamplesOptions{Stdin: strings.NewReader(twoRows), TempDir: filepath.Join(t.TempDir(), "none")}, "-")
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder for temporary files: %v", err)
	}
}

// Progress never goes back, ends at the total, and counts compressed bytes.
func TestProgress(t *testing.T) {
	path, _ := benchFile(t, 10, 5000, false)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var fast bytes.Buffer
	z, err := gzip.NewWriterLevel(&fast, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	paths := []string{path, write(t, "s.csv.gz", fast.Bytes())}
	want := int64(len(data) + fast.Len())
	for _, step := range []time.Duration{0, time.Minute} {
		calls, last := 0, int64(0)
		_, _, err := read(t, SamplesOptions{Step: step, Progress: func(read, total int64) {
			if read < last || read > total || total != want {
				t.Errorf("step %s: %d of %d after %d; the inputs have %d", step, read, total, last, want)
			}
			last = read
			calls++
		}}, paths...)
		if err != nil || last != want || calls < 10 {
			t.Errorf("step %s: %d calls, the last with %d of %d; %v", step, calls, last, want, err)
		}
	}
	var total, last int64 = -1, 0
	_, _, err = read(t, SamplesOptions{Step: time.Minute, Stdin: bytes.NewReader(data), Progress: func(r, n int64) { last, total = r, n }}, "-")
	if err != nil || total != 0 || last != int64(len(data)) {
		t.Errorf("a stream: %d of %d, %v", last, total, err)
	}
}

// Closing before the end leaves no goroutine that waits.
func TestAheadCloses(t *testing.T) {
	for range 50 {
		a := newAhead(iotest.DataErrReader(bytes.NewReader(make([]byte, 10*aheadBlock))))
		if _, err := a.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	a := newAhead(stuck{})
	if _, err := a.Read(make([]byte, 1)); err != io.ErrNoProgress {
		t.Errorf("a reader that gives nothing: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}

// The real traces are read as an independent reading of the same CSV has them.
func TestTracesAgree(t *testing.T) {
	paths := traces(t, "azure-m*.csv.gz")
	want := map[string]int64{} // the sum of scaled ratios by host and metric
	for _, p := range paths {
		independent(t, p, want)
	}
	got := map[string]int64{}
	samples := int64(0)
	sum := SamplesSummary{}
	for _, p := range paths {
		opt := SamplesOptions{Now: now, Records: sized(8, 1<<34), Map: map[string]string{}}
		if strings.Contains(p, "max") {
			opt.Map["cpu_cores_used"] = "cpu_cores_used_peak"
		}
		var err error
		sum, err = ReadSamples(t.Context(), []string{p}, opt, func(b fleet.Batch) error {
			if b.Step != 300_000 {
				t.Errorf("host %s has a step of %d ms", b.Host, b.Step)
			}
			for _, c := range b.Columns {
				for i, v := range c.Values {
					if c.Has(i) && strings.HasPrefix(c.Metric.Name, "cpu") {
						got[string(b.Host)+" "+c.Metric.Name] += int64(v)
						samples++
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 2*74 || sum.Hosts != 74 {
		t.Errorf("%d columns of hosts, %d hosts", len(got), sum.Hosts)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: the values sum to %d, want %d", k, got[k], v)
		}
	}
	if len(want) != len(got) || samples < 1_000_000 {
		t.Errorf("%d samples", samples)
	}
}
