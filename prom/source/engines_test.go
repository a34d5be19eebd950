package source_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
	"github.com/leanfleet/leanfleet/inventory"
	"github.com/leanfleet/leanfleet/prom/source"
)

// binary finds a real component, or says loudly that it is missing.
func binaryOf(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("SKIPPED: %s is not installed (Debian has it as a package)", names[0])
	return ""
}

// freePort is a port nobody listens on.
func freePort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a server until the test ends, and waits until it answers.
func start(t testing.TB, ready string, path string, args ...string) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.Dir = t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-gone
	})
	for range 400 {
		if r, err := http.Get(ready); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-gone:
			t.Fatalf("%s ended:\n%s", path, log.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not answer", path)
}

// writer puts series into a real engine.
type writer interface {
	// url is where the engine is asked.
	url() string
	// write stores series: labels, times in ms and values.
	write(t testing.TB, list []testSeries)
	// settle waits until what was written is answered.
	settle(t testing.TB)
}

type testSeries struct {
	labels map[string]string
	times  []int64
	values []float64
}

// victoria is Debian's VictoriaMetrics.
type victoria struct{ base string }

func newVictoria(t testing.TB, more ...string) *victoria {
	path := binaryOf(t, "victoria-metrics", "victoria-metrics-prod")
	addr := freePort(t)
	start(t, "http://"+addr+"/health", path, append([]string{"-storageDataPath=" + t.TempDir(), "-retentionPeriod=100y", "-httpListenAddr=" + addr, "-search.maxUniqueTimeseries=1000000"}, more...)...)
	return &victoria{"http://" + addr}
}

func (v *victoria) url() string { return v.base }

func (v *victoria) write(t testing.TB, list []testSeries) {
	t.Helper()
	var b bytes.Buffer
	flush := func() {
		if b.Len() == 0 {
			return
		}
		r, err := http.Post(v.base+"/api/v1/import/prometheus", "text/plain", &b)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode >= 300 {
			t.Fatalf("import: %s", r.Status)
		}
		b.Reset()
	}
	for _, s := range list {
		name := s.labels["__name__"] + labelText(s.labels)
		for i, at := range s.times {
			b.WriteString(name)
			b.WriteByte(' ')
			b.WriteString(strconv.FormatFloat(s.values[i], 'g', -1, 64))
			b.WriteByte(' ')
			b.WriteString(strconv.FormatInt(at, 10))
			b.WriteByte('\n')
		}
		if b.Len() > 1<<22 {
			flush()
		}
	}
	flush()
}

func labelText(labels map[string]string) string {
	var parts []string
	for k, v := range labels {
		if k != "__name__" {
			parts = append(parts, k+"="+strconv.Quote(v))
		}
	}
	sort.Strings(parts)
	return "{" + strings.Join(parts, ",") + "}"
}

func (v *victoria) settle(t testing.TB) {
	t.Helper()
	r, err := http.Get(v.base + "/internal/force_flush")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
}

// prometheus is Debian's Prometheus, which takes remote writes in any order.
type prometheus struct{ base string }

func newPrometheus(t testing.TB, more ...string) *prometheus {
	path := binaryOf(t, "prometheus")
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte("storage:\n  tsdb:\n    out_of_order_time_window: 50y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return startPrometheus(t, path, config, dir, append(more, "--web.enable-remote-write-receiver")...)
}

func startPrometheus(t testing.TB, path, config, dir string, more ...string) *prometheus {
	addr := freePort(t)
	start(t, "http://"+addr+"/-/ready", path, append([]string{"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"),
		"--storage.tsdb.retention.time=100y", "--web.listen-address=" + addr, "--log.level=warn"}, more...)...)
	return &prometheus{"http://" + addr}
}

func (p *prometheus) url() string       { return p.base }
func (p *prometheus) settle(testing.TB) {}

func (p *prometheus) write(t testing.TB, list []testSeries) {
	t.Helper()
	writeRemote(t, p.base, list)
}

// writeRemote speaks remote write 1.0: a protocol buffer, compressed with Snappy.
func writeRemote(t testing.TB, base string, list []testSeries) {
	t.Helper()
	const most = 20000
	var message []byte
	n := 0
	flush := func() {
		if len(message) == 0 {
			return
		}
		q, err := http.NewRequest(http.MethodPost, base+"/api/v1/write", bytes.NewReader(s2.EncodeSnappy(nil, message)))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Encoding", "snappy")
		q.Header.Set("Content-Type", "application/x-protobuf")
		q.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
		r, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode >= 300 {
			t.Fatalf("remote write: %s: %s", r.Status, text)
		}
		message, n = message[:0], 0
	}
	for _, s := range list {
		for from := 0; from < len(s.times); from += most {
			to := min(len(s.times), from+most)
			message = field(message, 1, encodeSeries(s, from, to))
			if n += to - from; n >= most {
				flush()
			}
		}
	}
	flush()
}

func field(to []byte, number byte, data []byte) []byte {
	to = append(to, number<<3|2)
	to = binary.AppendUvarint(to, uint64(len(data)))
	return append(to, data...)
}

func encodeSeries(s testSeries, from, to int) []byte {
	var names []string
	for k := range s.labels {
		names = append(names, k)
	}
	sort.Strings(names)
	var out []byte
	for _, k := range names {
		if s.labels[k] != "" {
			out = field(out, 1, field(field(nil, 1, []byte(k)), 2, []byte(s.labels[k])))
		}
	}
	for i := from; i < to; i++ {
		sample := append([]byte{1<<3 | 1}, binary.LittleEndian.AppendUint64(nil, math.Float64bits(s.values[i]))...)
		sample = binary.AppendUvarint(append(sample, 2<<3), uint64(s.times[i]))
		out = field(out, 2, sample)
	}
	return out
}

// generations tells what tests write apart within one engine.
var generations atomic.Int64

// engine is what the suites test: an inventory in memory, whose samples are
// written into a real engine before they are asked for, and a Source that asks
// it.
type engine struct {
	*fleettest.Memory
	w       writer
	t       testing.TB
	options source.Options

	mu     sync.Mutex
	dirty  bool
	source *source.Source
}

func newEngine(t testing.TB, w writer, o source.Options) *engine {
	return &engine{Memory: fleettest.NewMemory(fleettest.Options{}), w: w, t: t, options: o, dirty: true}
}

func (e *engine) changed() {
	e.mu.Lock()
	e.dirty = true
	e.mu.Unlock()
}

func (e *engine) Append(ctx context.Context, b []fleet.Batch) (fleet.Appended, error) {
	defer e.changed()
	return e.Memory.Append(ctx, b)
}

func (e *engine) PutRecords(ctx context.Context, s []fleet.Statement, p fleet.Put) (fleet.PutResult, error) {
	defer e.changed()
	return e.Memory.PutRecords(ctx, s, p)
}

func (e *engine) MergeHosts(into, from string, p fleet.Put) error {
	defer e.changed()
	return e.Memory.MergeHosts(into, from, p)
}

func (e *engine) Begin(ctx context.Context) (fleet.Load, error) {
	l, err := e.Memory.Begin(ctx)
	return load{l, e}, err
}

type load struct {
	fleet.Load
	e *engine
}

func (l load) Commit(ctx context.Context) (fleet.Appended, error) {
	defer l.e.changed()
	return l.Load.Commit(ctx)
}

// current is a source that sees what was written last.
func (e *engine) current() *source.Source {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.dirty {
		return e.source
	}
	run := strconv.FormatInt(generations.Add(1), 10)
	e.w.write(e.t, seriesOf(e.Memory, map[string]string{"run": run}))
	e.w.settle(e.t)
	book, err := e.Memory.Book(nil)
	if err != nil {
		e.t.Fatal(err)
	}
	o := e.options
	o.URL, o.Book, o.Metrics, o.Now, o.Schema = e.w.url(), book, fleettest.Metrics(), time.Now, "leanfleet"
	o.Matchers, o.DropLabels = `run="`+run+`"`, []string{"run"}
	if o.Lookback == 0 {
		o.Lookback = 20 * 365 * 24 * time.Hour
	}
	if e.source, err = source.New(o); err != nil {
		e.t.Fatal(err)
	}
	e.dirty = false
	return e.source
}

// seriesOf turns samples into leanfleet's own series, stamped with the end.
func seriesOf(m *fleettest.Memory, more map[string]string) []testSeries {
	var out []testSeries
	at := map[string]int{}
	for s := range m.Stored() {
		name := "leanfleet_" + s.Metric.Name
		if s.Metric.Unit == fleet.UnitRatio {
			name += "_ratio"
		}
		step := strconv.FormatFloat(float64(s.Step)/1000, 'f', -1, 64)
		id := fmt.Sprint(s.Host, s.Group, name, step)
		i, ok := at[id]
		if !ok {
			i = len(out)
			at[id] = i
			labels := map[string]string{"__name__": name, "host": string(s.Host), "step": step}
			if s.Group != "" {
				labels["group"] = s.Group
			}
			for k, v := range more {
				labels[k] = v
			}
			out = append(out, testSeries{labels: labels})
		}
		out[i].times = append(out[i].times, s.Start+int64(s.Step))
		out[i].values = append(out[i].values, s.Metric.Value(int64(s.Value)))
	}
	return out
}

func (e *engine) Records(ctx context.Context, sel fleet.Selector, w fleet.Window) ([]fleet.Record, error) {
	return e.current().Records(ctx, sel, w)
}

func (e *engine) Profiles(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Profile, error] {
	return e.current().Profiles(ctx, q)
}

func (e *engine) Series(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Series, error] {
	return e.current().Series(ctx, q)
}

func (e *engine) Host(key string, at time.Time) (inventory.Host, error) {
	return e.Memory.Host(key, at)
}
