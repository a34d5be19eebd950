package source_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/prom/source"
)

// toldQueries remembers what was sent.
type toldQueries struct {
	mu   sync.Mutex
	list []source.PlannedQuery
}

func (a *toldQueries) add(q source.PlannedQuery) {
	a.mu.Lock()
	a.list = append(a.list, q)
	a.mu.Unlock()
}

// has says whether a path or a query has a text.
func (a *toldQueries) has(text string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range a.list {
		if strings.Contains(q.Path+" "+q.Query, text) {
			return true
		}
	}
	return false
}

// seriesMessage is a series of a streamed answer, in chunks of some samples.
func seriesMessage(s testSeries, chunk int) []byte {
	var out []byte
	for _, name := range slices.Sorted(maps.Keys(s.labels)) {
		if s.labels[name] != "" {
			out = field(out, 1, field(field(nil, 1, []byte(name)), 2, []byte(s.labels[name])))
		}
	}
	for i := 0; i < len(s.times); i += chunk {
		j := min(len(s.times), i+chunk)
		out = field(out, 2, chunkMessage(s.times[i], s.times[j-1], 1, xorChunk(s.times[i:j], s.values[i:j])))
	}
	return out
}

func chunkMessage(from, to int64, kind byte, data []byte) []byte {
	c := binary.AppendUvarint([]byte{1 << 3}, uint64(from))
	c = binary.AppendUvarint(append(c, 2<<3), uint64(to))
	return field(append(c, 3<<3, kind), 4, data)
}

// frame is a frame of series of a selector.
func frame(selector int, series ...[]byte) []byte {
	var message []byte
	for _, s := range series {
		message = field(message, 1, s)
	}
	if selector > 0 {
		message = append(message, 2<<3, byte(selector))
	}
	out := binary.AppendUvarint(nil, uint64(len(message)))
	return append(binary.BigEndian.AppendUint32(out, castagnoli(message)), message...)
}

// stored is a fake that gives its series as they are stored, too: two hosts of
// one CPU, which is idle for three quarters of the time.
type stored struct {
	*fake
	list   []testSeries
	lose   int // a chunk of every so many is lost
	frames func([]byte) []byte
}

func newStored(t *testing.T) (*stored, string) {
	f, _ := newFake(t)
	s := &stored{fake: f}
	for _, host := range f.hosts {
		add := func(name string, value func(i int) float64, more ...string) {
			labels := f.labels(host)
			labels["__name__"] = name
			for i := 0; i < len(more); i += 2 {
				labels[more[i]] = more[i+1]
			}
			x := testSeries{labels: labels}
			for i := range 24*240 + 1 {
				x.times, x.values = append(x.times, begin.Add(time.Duration(i)*15*time.Second).UnixMilli()), append(x.values, value(i))
			}
			s.list = append(s.list, x)
		}
		add("node_memory_MemTotal_bytes", func(int) float64 { return 8 * gib })
		add("node_cpu_seconds_total", func(i int) float64 { return 1000 + float64(i)*15*0.75 }, "cpu", "0", "mode", "idle")
		add("node_cpu_seconds_total", func(i int) float64 { return 1000 + float64(i)*15*0.25 }, "cpu", "0", "mode", "user")
		add("node_cpu_seconds_total", func(int) float64 { return 0 }, "cpu", "0", "mode", "nice")
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

func (s *stored) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/read") {
		s.fake.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		body, err = s2.Decode(nil, body)
	}
	if err != nil || r.Header.Get("Content-Encoding") != "snappy" || r.Header.Get("Content-Type") != "application/x-protobuf" || r.Header.Get("X-Prometheus-Remote-Read-Version") == "" {
		http.Error(w, "not a message", http.StatusBadRequest)
		return
	}
	selectors, from, to := source.ParseRead(body)
	s.mu.Lock()
	s.requests = append(s.requests, fmt.Sprintf("/api/v1/read %v", selectors))
	n, before := len(s.requests), s.before
	s.mu.Unlock()
	if before != nil && before(n, w, r.WithContext(source.WithSelectors(r.Context(), fmt.Sprint(selectors)))) {
		return
	}
	w.Header().Set("Content-Type", "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse")
	count := 0
	for i, matchers := range selectors {
		for _, x := range s.list {
			if !matches(x.labels, matchers) {
				continue
			}
			if count++; s.lose > 0 && count%s.lose == 0 {
				x.times, x.values = x.times[120:], x.values[120:]
			}
			if x = samplesBetween([]testSeries{x}, from-3*3600_000, to+3*3600_000)[0]; len(x.times) == 0 { // whole chunks come along
				continue
			}
			for j := 0; j < len(x.times); j += 1000 { // a series in several frames
				k := min(len(x.times), j+1000)
				out := frame(i, seriesMessage(testSeries{x.labels, x.times[j:k], x.values[j:k]}, 120))
				if s.frames != nil {
					out = s.frames(out)
				}
				_, _ = w.Write(out)
			}
		}
	}
}

// matches says whether labels have what matchers ask for.
func matches(labels map[string]string, matchers []source.Matcher) bool {
	for _, m := range matchers {
		re := regexp.MustCompile("^(?:" + m.Value + ")$")
		v := labels[m.Name]
		if ok := []bool{v == m.Value, v != m.Value, re.MatchString(v), !re.MatchString(v)}[m.Kind]; !ok {
			return false
		}
	}
	return true
}

// sent are the requests of a path about the use of CPU.
func (s *stored) sent(path string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if strings.HasPrefix(r, path+" ") && strings.Contains(r, "idle|iowait|steal") {
			n++
		}
	}
	return n
}

// An engine that gives series as they are stored is asked for these; one that
// does not, or ceases to, is asked by queries, and the answer is the same.
func TestDoorsOfEngines(t *testing.T) {
	after := func(n int, path string, f func(int, http.ResponseWriter, *http.Request) bool) func(int, http.ResponseWriter, *http.Request) bool {
		return func(i int, w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, path) {
				return false
			}
			if n > 0 {
				n--
				return false
			}
			return f(i, w, r)
		}
	}
	halt := func(_ int, w http.ResponseWriter, r *http.Request) bool { // the protocol of before 2.13
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write([]byte{0})
		return true
	}
	broken := func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/x-streamed-protobuf")
		_, _ = w.Write([]byte{200, 1, 1, 2, 3})
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	hang := func(int, http.ResponseWriter, *http.Request) bool { time.Sleep(400 * time.Millisecond); return true }
	large := func(status int, body string) func(int, http.ResponseWriter, *http.Request) bool {
		return func(i int, w http.ResponseWriter, r *http.Request) bool {
			return strings.Contains(source.Selectors(r.Context()), "a:9100|b:9100") && refuse(status, "", body)(i, w, r)
		}
	}
	for name, c := range map[string]struct {
		before  func(int, http.ResponseWriter, *http.Request) bool
		change  func(*source.Options)
		raw     bool // what was asked for by the door of raw series
		queries bool
	}{
		"open":              {nil, nil, true, false},
		"no such door":      {after(0, "/read", refuse(404, "", "404 page not found")), nil, false, true},
		"not POST":          {after(0, "/read", refuse(405, "", "no")), nil, false, true},
		"forbidden":         {after(0, "/read", refuse(403, "", "no")), nil, false, true},
		"not implemented":   {after(0, "/read", refuse(501, "", "no")), nil, false, true},
		"away at first":     {after(0, "/read", refuse(502, "", "no")), nil, false, true},
		"a web page":        {after(0, "/read", refuse(200, "Content-Type: text/html", "<html>log in</html>")), nil, false, true},
		"samples only":      {after(0, "/read", halt), nil, false, true},
		"shut in between":   {after(4, "/read", refuse(403, "", "no")), nil, true, true},
		"shut among hosts":  {after(2, "/read", refuse(404, "", "no")), nil, false, true},
		"unknown matchers":  {nil, func(o *source.Options) { o.Matchers = `"job"="node"` }, false, true},
		"not wanted":        {nil, func(o *source.Options) { o.QueriesOnly = true }, false, true},
		"busy":              {after(4, "/read", times(3, "/read", refuse(503, "", "busy"))), nil, true, false},
		"cut":               {after(4, "/read", times(3, "/read", broken)), nil, true, false},
		"too large":         {after(0, "/read", large(422, `the query exceeds the maximum number of chunks (limit: 2000000 chunks)`)), nil, true, false},
		"late once":         {after(4, "/read", times(1, "/read", refuse(408, "", "Request Time-out"))), nil, true, false},
		"hangs":             {after(0, "/read", hang), func(o *source.Options) { o.Timeout = 200 * time.Millisecond }, false, true},
		"each is too large": {after(4, "/read", refuse(413, "", "too large")), nil, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, url := newStored(t)
			s.before = c.before
			list, src, err := askFake(t, url, c.change)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) != 2 || list[0].Count != 1440 || list[1].Count != 1440 || list[0].Min != 2500 || list[1].Max != 2500 || list[0].Record.InstanceType != "m5.large" {
				t.Errorf("profiles %+v", list)
			}
			if raw, queries := s.sent("/api/v1/read"), s.sent("/api/v1/query_range"); (raw > 0) != c.raw || (queries > 0) != c.queries {
				t.Errorf("%d requests of series as they are stored, %d queries", raw, queries)
			}
			plan, err := src.Explain(t.Context(), fleet.Query{Metric: fleet.CPUUsage, Window: fleet.Window{Start: begin, End: begin.Add(24 * time.Hour)}})
			if err != nil || len(plan.Queries) != 1 {
				t.Fatalf("plan %+v, error %v", plan, err)
			}
			q := plan.Queries[0]
			if (q.Path == "/api/v1/read") == c.queries && name != "each is too large" {
				t.Errorf("plan %+v", q)
			}
			if !c.queries && (q.Query != `{__name__="node_cpu_seconds_total",mode=~"idle|iowait|steal",instance=~"a:9100|b:9100"}` || !q.Start.Equal(begin.Add(time.Millisecond)) || !q.End.Equal(begin.Add(24*time.Hour))) {
				t.Errorf("plan %+v", q)
			}
		})
	}
}

// However much is asked, what is read as it is stored is exact.
func TestRawIsExactHoweverMuch(t *testing.T) {
	s, url := newStored(t)
	ends := func(list []testSeries) (out []testSeries) {
		for i := range 400 {
			for _, x := range list {
				labels := maps.Clone(x.labels)
				labels["instance"] = fmt.Sprintf("h%03d:9100", i)
				out = append(out, testSeries{labels, []int64{begin.AddDate(0, 0, -390).UnixMilli(), begin.Add(24 * time.Hour).UnixMilli()}, []float64{8 * gib, 8 * gib}})
			}
		}
		return out
	}
	s.list = ends(s.list[:1])
	for queries, want := range map[bool]source.Method{false: source.MethodExact, true: source.MethodGrid} {
		if queries {
			s.hosts, s.first = nil, begin.AddDate(0, 0, -390)
			for i := range 400 {
				s.hosts = append(s.hosts, fmt.Sprintf("h%03d:9100", i))
			}
		}
		src, err := source.New(source.Options{URL: url, Now: func() time.Time { return begin.Add(25 * time.Hour) }, QueriesOnly: queries, Step: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		plan, err := src.Explain(t.Context(), fleet.Query{Metric: fleet.CPUUsage, Window: fleet.Window{Start: begin.AddDate(0, 0, -390), End: begin}})
		if err != nil || plan.Method != want || plan.Samples < 200_000_000 || (plan.RankError > 0) != queries {
			t.Errorf("queries %v: plan of %d samples: %s, rank error %g, error %v", queries, plan.Samples, plan.Method, plan.RankError, err)
		}
	}
}

// Hosts with many file systems, which are told apart, are asked about fewer at a
// time where their values have no room, and that is not found out anew.
func TestRoomForManySeries(t *testing.T) {
	s, url := newStored(t)
	for _, host := range s.hosts {
		for i := range 15 {
			for k, name := range []string{"size", "free", "avail"} {
				x := testSeries{labels: s.labels(host), times: s.list[0].times}
				maps.Copy(x.labels, map[string]string{"__name__": "node_filesystem_" + name + "_bytes", "mountpoint": fmt.Sprint("/", i), "fstype": "ext4"})
				for range x.times {
					x.values = append(x.values, []float64{100, 60 - float64(i), 60 - float64(i)}[k]*gib)
				}
				s.list = append(s.list, x)
			}
		}
	}
	of := func(batch int64) (asked int) {
		var told toldQueries
		src, err := source.New(source.Options{URL: url, Now: func() time.Time { return begin.Add(25 * time.Hour) }, Lookback: 40 * 24 * time.Hour, BatchSamples: batch, Asked: told.add})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			n := 0
			for x, err := range src.Series(t.Context(), fleet.Query{Metric: lookup("disk_usage"), Window: fleet.Window{Start: begin, End: begin.Add(24 * time.Hour)}}) {
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range x.Values {
					if n++; v != 5400 { // the fullest
						t.Fatalf("usage of %s is %d", x.Record.Host, v)
					}
				}
			}
			if n != 2*1440 {
				t.Errorf("%d samples", n)
			}
		}
		for _, q := range told.list {
			if strings.Contains(q.Query, "node_filesystem_size_bytes") {
				asked++
			}
		}
		return asked
	}
	if n := of(1_000_000); n != 2 {
		t.Errorf("asked %d times, want once for each answer", n)
	}
	if n := of(5000); n != 1+2+2 { // both hosts once, then each by itself
		t.Errorf("asked %d times, want 5", n)
	}
}

// Where an engine fails amid an answer, what it says is told; what is lost on
// the way is found by counting.
func TestRawAnswersThatAreNotWhole(t *testing.T) {
	s, url := newStored(t)
	n := 0
	s.frames = func(b []byte) []byte {
		if n++; n%4 == 0 {
			return []byte("expanding series: open block 01HT: input/output error\n")
		}
		return b
	}
	s.before = times(100, "/query_range", refuse(404, "", "there is one door"))
	if _, _, err := askFake(t, url, nil); err == nil || !strings.Contains(err.Error(), "there is one door") {
		t.Errorf("error %v", err) // hosts were looked for by queries, then
	}
	s, url = newStored(t)
	s.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(source.Selectors(r.Context()), "iowait") {
			return false
		}
		w.Header().Set("Content-Type", "application/x-streamed-protobuf")
		_, _ = w.Write(frame(0, seriesMessage(s.list[1], 120)))
		_, _ = w.Write([]byte("expanding series: open block 01HT: input/output error\n"))
		return true
	}
	_, _, err := askFake(t, url, nil)
	if err == nil || !strings.Contains(err.Error(), "was cut off") || !strings.Contains(err.Error(), "the engine says amid the answer: expanding series: open block 01HT: input/output error") || !strings.Contains(err.Error(), "tried 5 times") {
		t.Errorf("error %v", err)
	}

	for lose, want := range map[int]int{0: 0, 1: 2} {
		s, url := newStored(t)
		_, src, err := askFake(t, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.lose = lose
		s.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if q := r.Form.Get("query"); strings.HasPrefix(q, "sum by (instance) (count_over_time({__name__=") {
				fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"a:9100"},"value":[0,"5760"]},{"metric":{"instance":"b:9100"},"value":[0,"5760"]}]}}`)
				return true
			}
			return false
		}
		wrong := 0
		for d, err := range src.Read(t.Context(), fleet.Window{Start: begin, End: begin.Add(24 * time.Hour)}, source.ReadOptions{Verify: true, Metrics: []fleet.Metric{fleet.CPUUsage}}) {
			var count *source.CountError
			switch {
			case errors.As(err, &count):
				if count.Copied != 5760-119 || count.Counted != 5760 { // of the chunk that is lost the first sample lies before the day
					t.Errorf("error %v", err)
				}
				wrong++
			case err != nil:
				t.Fatal(err)
			case d.Samples != 1440 || d.Counted != 1440:
				t.Errorf("%d samples, %d counted", d.Samples, d.Counted)
			}
		}
		if wrong != want {
			t.Errorf("%d of every chunks lost: %d host-days are wrong, want %d", lose, wrong, want)
		}
	}
}

// gathered are the series of a raw answer.
type gathered struct {
	text    []string
	samples int
}

func (g *gathered) take(selector int, labels map[string]string, times []int64, values []float64) error {
	g.text = append(g.text, fmt.Sprint(selector, labels, times, values))
	g.samples += len(times)
	return nil
}

// Series come in parts, out of order, with what lies outside, with histograms
// and marks of an end; and come out whole.
func TestFrames(t *testing.T) {
	x := map[string]string{"__name__": "x", "host": "a"}
	y := map[string]string{"__name__": "y", "host": "a"}
	part := func(labels map[string]string, times ...int64) []byte {
		s := testSeries{labels: labels, times: times}
		for _, at := range times {
			v := float64(at)
			if at == 60 {
				v = math.Float64frombits(stale)
			}
			s.values = append(s.values, v)
		}
		return seriesMessage(s, 2)
	}
	histogram := field(part(x), 2, chunkMessage(10, 90, 2, []byte{1, 2, 3}))
	stream := slices.Concat(
		frame(0, part(x, 5, 10, 20)), frame(0, part(x, 30, 40), histogram), // one series
		frame(0, part(y, 50, 60, 70, 99)),         // an end at 60, and what lies outside
		frame(1, part(x, 40, 50, 20, 30, 40, 10)), // another selector; chunks that overlap
		frame(1), frame(1, part(y, 1, 2), part(y, 95, 96))) // nothing inside

	g := &gathered{}
	if err := source.Frames(stream, 10, 90, g.take); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"0 map[__name__:x host:a] [10 20 30 40] [10 20 30 40]",
		"0 map[__name__:y host:a] [50 70] [50 70]",
		"1 map[__name__:x host:a] [10 20 30 40 50] [10 20 30 40 50]",
	}
	if !slices.Equal(g.text, want) {
		t.Errorf("%s", strings.Join(g.text, "\n"))
	}
	// Cut anywhere but between frames it is not whole.
	bounds := map[int]bool{}
	for rest := stream; len(rest) > 0; {
		size, n := binary.Uvarint(rest)
		bounds[len(stream)-len(rest)] = true
		rest = rest[n+4+int(size):]
	}
	for n := range stream {
		if err := source.Frames(stream[:n], 10, 90, (&gathered{}).take); (err == nil) != bounds[n] {
			t.Errorf("cut at %d of %d: error %v", n, len(stream), err)
		}
	}
	// A bit that fell over is found.
	for i := range stream {
		wrong := slices.Clone(stream)
		wrong[i] ^= 1 << (i % 8)
		if err := source.Frames(wrong, 10, 90, (&gathered{}).take); err == nil {
			t.Errorf("another bit in byte %d is not found", i)
		}
	}
	// Samples that are packed in a way we do not know are not passed over.
	later := frame(0, field(part(x, 10, 20), 2, chunkMessage(30, 40, 4, []byte{1, 2, 3})))
	if err := source.Frames(later, 10, 90, (&gathered{}).take); !errors.Is(err, source.ErrNotAPI) || !strings.Contains(err.Error(), "chunks of the kind 4") {
		t.Errorf("error %v", err)
	}
	bad := frame(0, []byte{1<<3 | 2, 200})
	if err := source.Frames(bad, 10, 90, (&gathered{}).take); !errors.Is(err, source.ErrNotAPI) {
		t.Errorf("error %v", err)
	}
	if err := source.Frames([]byte{0xff, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3, 4, 5}, 10, 90, (&gathered{}).take); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

// Messages withstand any bytes.
func FuzzFrames(f *testing.F) {
	s := testSeries{map[string]string{"a": "b"}, []int64{1, 2, 3}, []float64{1, 2, 3}}
	f.Add(field(nil, 1, seriesMessage(s, 2)))
	f.Add(append(field(nil, 1, seriesMessage(s, 3)), 2<<3, 1))
	f.Add([]byte{1<<3 | 2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Add(field(nil, 1, []byte{1<<3 | 2, 3, 1, 2, 3}))
	f.Fuzz(func(t *testing.T, message []byte) {
		out := binary.AppendUvarint(nil, uint64(len(message)))
		out = append(binary.BigEndian.AppendUint32(out, castagnoli(message)), message...)
		g := &gathered{}
		_ = source.Frames(append(out, out...), 0, math.MaxInt64, func(selector int, labels map[string]string, times []int64, values []float64) error {
			if len(times) != len(values) || len(times) == 0 || !slices.IsSorted(times) {
				t.Fatalf("%d times, %d values", len(times), len(values))
			}
			return g.take(selector, labels, times, values)
		})
		_ = source.Frames(message, 0, math.MaxInt64, g.take) // any stream
	})
}

func TestMatchers(t *testing.T) {
	for text, want := range map[string]string{
		`job="node"`: `[{0 job node}]`,
		`a="b", c!='d"e',e=~"f|g\\.h" ,i!~` + "`j\\k`": `[{0 a b} {1 c d"e} {2 e f|g\.h} {3 i j\k}]`,
		`a='it\'s',`:        `[{0 a it's}]`,
		`a=""`:              `[{0 a }]`,
		``:                  `[]`,
		`"quoted.name"="x"`: "",
		`a="b" c="d"`:       "",
		`a=b`:               "",
		`a="\q"`:            "",
		`a="b" or c="d"`:    "",
	} {
		list, err := source.ParseMatchers(text)
		if got := fmt.Sprint(list); err == nil && got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %s, error %v, want %s", text, got, err, want)
		}
	}
}
