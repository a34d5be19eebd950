package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/prom/source"
)

// fake is an engine that answers with what a test says, and fails as it says.
// It speaks for node_exporter's series of some hosts at a grid of a minute.
type fake struct {
	hosts  []string
	first  time.Time
	last   time.Time
	values func(host string, at time.Time) float64

	mu       sync.Mutex
	requests []string
	headers  http.Header
	before   func(n int, w http.ResponseWriter, r *http.Request) bool // true: it has answered
	warnings []string
	closed   bool // a range holds its start too
	provider string
}

func newFake(t *testing.T) (*fake, *httptest.Server) {
	f := &fake{hosts: []string{"a:9100", "b:9100"}, first: begin, last: begin.Add(24 * time.Hour), values: func(string, time.Time) float64 { return 0.25 }}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, server
}

var hostMatcher = regexp.MustCompile(`instance=~?"([^"]*)"`)

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	query := r.Form.Get("query")
	f.mu.Lock()
	f.requests = append(f.requests, r.URL.Path+" "+query)
	f.headers = r.Header.Clone()
	n, before, warnings := len(f.requests), f.before, f.warnings
	f.mu.Unlock()
	if before != nil && before(n, w, r) {
		return
	}
	var data any
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/read"):
		http.NotFound(w, r) // it gives no series as they are stored
		return
	case strings.HasSuffix(path, "/runtimeinfo"):
		data = map[string]any{"storageRetention": "15d"}
	case strings.HasSuffix(path, "/labels"):
		data = []string{"__name__", "instance", "job", "region", "instance_type", "env", "provider"}
	case strings.HasSuffix(path, "/values"):
		data = []string{}
		if strings.Contains(r.Form.Get("match[]"), "node_memory") {
			data = []string{"node_memory_MemTotal_bytes"}
		}
	case strings.HasSuffix(path, "/series"):
		data = []any{}
	case strings.Contains(query, "vector(1)"):
		if strings.Contains(query, "quantiles_over_time") {
			w.WriteHeader(400)
			fmt.Fprint(w, `{"status":"error","errorType":"bad_data","error":"unknown function"}`)
			return
		}
		v := "1"
		if f.closed {
			v = "2"
		}
		data = map[string]any{"resultType": "vector", "result": []any{map[string]any{"metric": map[string]string{}, "value": []any{1700000040, v}}}}
	case strings.HasSuffix(path, "/query"):
		data = f.raw(r)
	default:
		data = f.matrix(r)
	}
	answer := map[string]any{"status": "success", "data": data}
	if warnings != nil {
		answer["warnings"] = warnings
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func seconds(s string) time.Time {
	x, _ := strconv.ParseFloat(s, 64)
	return time.UnixMilli(int64(math.Round(x * 1000))).UTC()
}

func (f *fake) labels(host string) map[string]string {
	labels := map[string]string{"__name__": "x", "instance": host, "job": "node", "region": "eu-west-1", "instance_type": "m5.large", "env": "prod"}
	if f.provider != "" {
		labels["provider"] = f.provider
	}
	return labels
}

// raw answers a range selector: a scrape every 15 s.
func (f *fake) raw(r *http.Request) any {
	end := seconds(r.Form.Get("time"))
	var list []any
	for _, h := range f.hosts {
		var values []any
		for at := end.Add(-time.Hour).Truncate(15 * time.Second).Add(15 * time.Second); !at.After(end); at = at.Add(15 * time.Second) {
			if !at.Before(f.first) && !at.After(f.last) {
				values = append(values, []any{float64(at.UnixMilli()) / 1000, "1"})
			}
		}
		if len(values) > 0 {
			list = append(list, map[string]any{"metric": f.labels(h), "values": values})
		}
	}
	return map[string]any{"resultType": "matrix", "result": list}
}

func (f *fake) matrix(r *http.Request) any {
	from, to := seconds(r.Form.Get("start")), seconds(r.Form.Get("end"))
	step, _ := strconv.ParseFloat(r.Form.Get("step"), 64)
	every := time.Duration(step * float64(time.Second))
	hosts := f.hosts
	if m := hostMatcher.FindStringSubmatch(r.Form.Get("query")); m != nil {
		re := regexp.MustCompile("^(?:" + strings.ReplaceAll(m[1], `\\`, `\`) + ")$")
		hosts = slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return !re.MatchString(h) })
	}
	list := []any{}
	for _, h := range hosts {
		var values []any
		for at := from; !at.After(to); at = at.Add(every) {
			if !at.Before(f.first) && at.Add(-every).Before(f.last) {
				values = append(values, []any{float64(at.UnixMilli()) / 1000, strconv.FormatFloat(f.values(h, at), 'g', -1, 64)})
			}
		}
		if len(values) > 0 {
			list = append(list, map[string]any{"metric": f.labels(h), "values": values})
		}
	}
	return map[string]any{"resultType": "matrix", "result": list}
}

// ask makes a source of a fake and asks for a day of CPU.
func askFake(t *testing.T, url string, change func(*source.Options)) ([]fleet.Profile, *source.Source, error) {
	t.Helper()
	o := source.Options{URL: url, Now: func() time.Time { return begin.Add(25 * time.Hour) }, Lookback: 40 * 24 * time.Hour, MaxPause: time.Millisecond}
	if change != nil {
		change(&o)
	}
	s, err := source.New(o)
	if err != nil {
		return nil, nil, err
	}
	var list []fleet.Profile
	for p, err := range s.Profiles(t.Context(), fleet.Query{Metric: fleet.CPUUsage, Window: fleet.Window{Start: begin, End: begin.Add(24 * time.Hour)}}) {
		if err != nil {
			return list, s, err
		}
		list = append(list, p)
	}
	return list, s, nil
}

func TestNodeExporterSchemaOfAFake(t *testing.T) {
	for _, closed := range []bool{false, true} {
		f, server := newFake(t)
		f.closed = closed
		list, s, err := askFake(t, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != 2 || list[0].Count != 1440 || list[0].Covered != 24*time.Hour || list[0].Min != 2500 || list[0].Record.Host != "a" {
			t.Errorf("%d profiles: %+v", len(list), list)
		}
		r := list[0].Record
		if r.Region != "eu-west-1" || r.InstanceType != "m5.large" || r.Tags["env"] != "prod" || len(r.Tags) != 1 || r.Origin != fleet.OriginScrape {
			t.Errorf("record %+v", r)
		}
		if !r.Seen.Start.Equal(begin.Add(-time.Minute)) || !r.Seen.End.Equal(begin.Add(24*time.Hour)) {
			t.Errorf("seen %s", r.Seen)
		}
		plan, err := s.Explain(t.Context(), fleet.Query{Metric: fleet.CPUUsage, Window: fleet.Window{Start: begin, End: begin.Add(24 * time.Hour)}})
		if err != nil || plan.Step != time.Minute || plan.Scrape != 15*time.Second || plan.Schema != "node_exporter" {
			t.Errorf("plan %+v, error %v", plan, err)
		}
		want := "[1m]"
		if q := plan.Queries[0].Query; !strings.Contains(q, "rate(node_cpu_seconds_total") || !strings.Contains(q, want) {
			t.Errorf("query %s", q)
		}
	}
}

func refuse(status int, header, body string) func(int, http.ResponseWriter, *http.Request) bool {
	return func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if name, value, ok := strings.Cut(header, ": "); ok {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
		return true
	}
}

// times lets only the first n requests of a path fail.
func times(n int, path string, f func(int, http.ResponseWriter, *http.Request) bool) func(int, http.ResponseWriter, *http.Request) bool {
	var taken atomic.Int64 // a request that nobody waits for any more may still be answered
	return func(i int, w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, path) || taken.Add(1) > int64(n) {
			return false
		}
		return f(i, w, r)
	}
}

func cutOff(_ int, w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Length", "100000")
	fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"instance":"a:9100"},"values":[[1711584060,"0.5"],[17115`)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func TestEngineHasBadMoments(t *testing.T) {
	for name, before := range map[string]func(int, http.ResponseWriter, *http.Request) bool{
		"429": times(3, "/query_range", refuse(429, "Retry-After: 0", "slow down")),
		"503": times(3, "/query_range", refuse(503, "", "starting")),
		"502": times(3, "/query", refuse(502, "", "<html>bad gateway</html>")),
		"cut": times(3, "/query_range", cutOff),
		"no POST": func(_ int, w http.ResponseWriter, r *http.Request) bool {
			return r.Method == http.MethodPost && refuse(405, "", "no")(0, w, r)
		},
		"too large": func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.Form.Get("query"), "a:9100|b:9100") && strings.HasSuffix(r.URL.Path, "/query_range") {
				return refuse(422, "", `{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}`)(0, w, r)
			}
			return false
		},
		"too long": func(_ int, w http.ResponseWriter, r *http.Request) bool {
			from, to := seconds(r.Form.Get("start")), seconds(r.Form.Get("end"))
			if strings.HasSuffix(r.URL.Path, "/query_range") && strings.Contains(r.Form.Get("query"), "node_cpu_seconds_total{mode=~") && to.Sub(from) > 7*time.Hour {
				return refuse(422, "", `{"status":"error","errorType":"422","error":"the query exceeds -search.maxSamplesPerQuery"}`)(0, w, r)
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, server := newFake(t)
			f.before = before
			list, _, err := askFake(t, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) != 2 || list[0].Count != 1440 || list[1].Count != 1440 {
				t.Errorf("profiles %+v", list)
			}
		})
	}
}

// is checks what an error wraps.
func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

func TestEngineFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(int, http.ResponseWriter, *http.Request) bool
		change func(*source.Options)
		want   []string
		is     func(error) bool
	}{
		{"401", refuse(401, "", "who are you"), nil, []string{"401", "who are you"}, nil},
		{"always 503", times(1000, "/query_range", refuse(503, "", "draining")), nil, []string{"503", "draining"}, nil},
		{"always 422", times(1000, "/query_range", refuse(422, "", `{"status":"error","errorType":"execution","error":"would load too many samples"}`)), nil, []string{"422", "execution", "would load too many samples"}, nil},
		{"no function", times(1000, "/query_range", refuse(400, "", `{"status":"error","errorType":"bad_data","error":"unknown function with name \"last_over_time\""}`)), nil, []string{"400", "bad_data", "last_over_time"}, nil},
		{"error in 200", times(1000, "/query_range", refuse(200, "", `{"status":"error","errorType":"internal","error":"expanding series"}`)), nil, []string{"internal", "expanding series"}, nil},
		{"not JSON", times(1000, "/query_range", refuse(200, "", `<html>log in</html>`)), nil, []string{"not an answer of the Prometheus HTTP API"}, is(source.ErrNotAPI)},
		{"a web page", times(1000, "/query_range", refuse(200, "Content-Type: text/html", `<html>log in</html>`)), nil, []string{"not an answer of the Prometheus HTTP API: a web page"}, is(source.ErrNotAPI)},
		{"a web page that refuses", refuse(404, "", "<!DOCTYPE html><html><head><title>No such\n page</title>"+strings.Repeat("<p>", 1000)), nil, []string{`404: a web page "No such page"`}, nil},
		{"always cut", times(1000, "/query_range", cutOff), nil, []string{"was cut off: unexpected EOF (tried 5 times)"}, nil},
		{"slow", times(1000, "/query_range", func(int, http.ResponseWriter, *http.Request) bool { time.Sleep(300 * time.Millisecond); return false }),
			func(o *source.Options) { o.Timeout = 100 * time.Millisecond }, []string{"no answer in time"}, is(source.ErrSlow)},
		{"slow in the middle", times(1000, "/query_range", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			fmt.Fprint(w, `{"status":"success",`)
			w.(http.Flusher).Flush()
			time.Sleep(300 * time.Millisecond)
			return true
		}), func(o *source.Options) { o.Timeout = 100 * time.Millisecond }, []string{"no answer in time"}, nil},
		{"redirected", refuse(302, "Location: http://me:secret@elsewhere/?token=secret", ""), nil, []string{"302", "redirects are not followed, this one goes to http://"}, func(err error) bool { return !strings.Contains(err.Error(), "secret") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, server := newFake(t)
			f.before = c.before
			_, _, err := askFake(t, server.URL, c.change)
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range append(c.want, server.URL) {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
			if c.is != nil && !c.is(err) {
				t.Errorf("error %q is another one", err)
			}
			if n := strings.Count(err.Error(), server.URL); n != 1 {
				t.Errorf("error %q names the address %d times", err, n)
			}
		})
	}
	t.Run("away", func(t *testing.T) {
		// An address at which nobody ever answered is wrong, and said at once; an
		// engine that answered begins anew, and is waited for.
		_, server := newFake(t)
		server.Close()
		_, s, err := askFake(t, server.URL, nil)
		if err == nil || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "tried") || s.Cost().Requests != 1 {
			t.Errorf("%d requests, error %v", s.Cost().Requests, err)
		}
		for name, notFound := range map[string]bool{"no such host": true, "server misbehaving": false} {
			if err := fmt.Errorf("ask: %w", &net.DNSError{Err: name, IsNotFound: notFound}); source.Nobody(err) != notFound {
				t.Errorf("%v: nobody is there %v", err, !notFound)
			}
		}
		f, again := newFake(t)
		f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/query_range") {
				go again.Close()
				panic(http.ErrAbortHandler)
			}
			return false
		}
		if _, _, err := askFake(t, again.URL, nil); err == nil || !strings.Contains(err.Error(), "tried 5 times") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		f, server := newFake(t)
		f.before = times(1000, "/query_range", refuse(503, "Retry-After: 100", ""))
		s, err := source.New(source.Options{URL: server.URL, Now: func() time.Time { return begin.Add(25 * time.Hour) }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := s.Records(ctx, fleet.Selector{}, fleet.Window{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

func TestPartialAnswers(t *testing.T) {
	f, server := newFake(t)
	f.warnings = []string{"store 10.0.0.7: deadline exceeded"}
	var partial *source.PartialError
	if _, _, err := askFake(t, server.URL, nil); !errors.As(err, &partial) || !strings.Contains(err.Error(), "10.0.0.7") {
		t.Errorf("error %v", err)
	}
	list, s, err := askFake(t, server.URL, func(o *source.Options) { o.AllowPartial = true })
	if err != nil || len(list) != 2 {
		t.Fatalf("%d profiles, error %v", len(list), err)
	}
	// It is not hidden that they were taken.
	w := fleet.Window{Start: begin, End: begin.Add(24 * time.Hour)}
	notes, err := s.Notes(t.Context(), fleet.CPUUsage, w)
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "answers were partial, the last one: "+server.URL) || !strings.Contains(notes[0], "10.0.0.7") {
		t.Errorf("notes %q, error %v", notes, err)
	}
	// What an engine remarks of a query is no part of its data.
	f.warnings = []string{`PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "x"`}
	if list, s, err = askFake(t, server.URL, nil); err != nil || len(list) != 2 {
		t.Fatalf("%d profiles, error %v", len(list), err)
	}
	if notes, err = s.Notes(t.Context(), fleet.CPUUsage, w); err != nil || len(notes) != 0 {
		t.Errorf("notes %q, error %v", notes, err)
	}
}

func TestValuesThatAreNone(t *testing.T) {
	f, server := newFake(t)
	f.values = func(host string, at time.Time) float64 {
		switch at.Minute() {
		case 0:
			return math.NaN()
		case 1:
			return math.Inf(1)
		case 2:
			return -0.003 // jitter of scrapes
		case 3:
			return -2
		}
		return 0.5
	}
	list, s, err := askFake(t, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Count != 24*57 || list[0].Min != 0 || list[0].Max != 5000 {
		t.Errorf("profiles %+v", list)
	}
	notes, err := s.Notes(t.Context(), fleet.CPUUsage, fleet.Window{Start: begin, End: begin.Add(24 * time.Hour)})
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "96 values that cannot be") {
		t.Errorf("notes %q, error %v", notes, err)
	}
}

// Thirty days are asked for where fifteen are kept: the answer says so.
func TestRetentionIsSaid(t *testing.T) {
	f, server := newFake(t)
	now := begin.Add(24 * time.Hour)
	f.first = now.Add(-15 * 24 * time.Hour)
	_, s, err := askFake(t, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := fleet.Window{Start: now.Add(-30 * 24 * time.Hour), End: now}
	notes, err := s.Notes(t.Context(), lookup("sessions"), w)
	if err != nil || len(notes) != 2 || !strings.Contains(notes[0], "2024-03-13T23:59:00Z on only, and keeps 15d: 15.0 d of the 30.0 d asked for") || !strings.Contains(notes[1], "sessions is not measured by node_exporter") {
		t.Errorf("notes %q, error %v", notes, err)
	}
	reach, err := s.Reach(t.Context())
	if err != nil || !reach.Start.Equal(f.first.Add(-time.Minute)) || !reach.End.Equal(now) {
		t.Errorf("reach %s, error %v", reach, err)
	}
	// What hosts were expected to tell is bounded by the evidence, as everywhere.
	for p, err := range s.Profiles(t.Context(), fleet.Query{Metric: fleet.CPUUsage, Window: w}) {
		if err != nil || p.Expected != 15*24*time.Hour+time.Minute {
			t.Errorf("expected %s, error %v", p.Expected, err)
		}
	}
	for before, want := range map[time.Duration]int{2 * time.Minute: 0, 3 * time.Minute: 1} { // of two steps, and more
		w := fleet.Window{Start: f.first.Add(-time.Minute - before), End: f.first.Add(time.Hour)}
		if notes, err := s.Notes(t.Context(), fleet.CPUUsage, w); err != nil || len(notes) != want {
			t.Errorf("%s before the first sample: notes %q, error %v", before, notes, err)
		}
	}
	if notes, _ := s.Notes(t.Context(), fleet.CPUUsage, fleet.Window{Start: now.Add(-7 * 24 * time.Hour), End: now}); len(notes) != 0 {
		t.Errorf("notes %q", notes)
	}
}

// TestPlanNamesAllHosts: a plan's expressions are those that are sent.
func TestPlanNamesAllHosts(t *testing.T) {
	f, server := newFake(t)
	f.hosts = []string{"a:9100", "b:9100", "c:9100", "d:9100", "e:9100"}
	_, s, err := askFake(t, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.Explain(t.Context(), fleet.Query{Metric: fleet.CPUUsage, Window: fleet.Window{Start: begin, End: begin.Add(24 * time.Hour)}})
	if err != nil || len(plan.Queries) != 1 || !slices.Contains(f.requests, "/api/v1/query_range "+plan.Queries[0].Query) {
		t.Errorf("plan %+v, error %v; sent %q", plan, err, f.requests)
	}
}

func TestWhatIsSent(t *testing.T) {
	f, server := newFake(t)
	prefix := strings.Replace(server.URL, "http://", "http://user:url-secret@", 1) + "/select/0/prometheus/"
	if _, _, err := askFake(t, prefix, func(o *source.Options) {
		o.Headers = map[string]string{"X-Scope-OrgID": "team-7"}
		o.BearerToken = "bearer-secret"
		o.Matchers = `job="node"`
	}); err != nil {
		t.Fatal(err)
	}
	if got := f.headers.Get("X-Scope-OrgID") + " " + f.headers.Get("Authorization"); got != "team-7 Bearer bearer-secret" {
		t.Errorf("headers %q", got)
	}
	for _, r := range f.requests {
		if !strings.HasPrefix(r, "/select/0/prometheus/api/v1/") {
			t.Errorf("request %s", r)
		}
		if strings.Contains(r, "node_") && !strings.Contains(r, `job="node"`) {
			t.Errorf("request %s without the matchers", r)
		}
	}
	if _, _, err := askFake(t, server.URL, func(o *source.Options) { o.Username, o.Password = "me", "basic-secret" }); err != nil {
		t.Fatal(err)
	}
	if user, password, ok := (&http.Request{Header: f.headers}).BasicAuth(); !ok || user != "me" || password != "basic-secret" {
		t.Errorf("headers %v", f.headers)
	}
	// No error shows a secret, also where the engine repeats it.
	f.before = refuse(403, "", "bad token bearer-secret of url-secret basic-secret")
	for _, change := range []func(*source.Options){func(o *source.Options) { o.BearerToken = "bearer-secret" }, func(o *source.Options) { o.Username, o.Password = "me", "basic-secret" }} {
		_, s, err := askFake(t, prefix, change)
		if err == nil {
			t.Fatal("no error")
		}
		for _, secret := range []string{"url-secret"} {
			if strings.Contains(err.Error()+s.Address(), secret) {
				t.Errorf("error %q, address %q", err, s.Address())
			}
		}
	}
	_, _, err := askFake(t, prefix, func(o *source.Options) { o.BearerToken = "bearer-secret" })
	if strings.Contains(err.Error(), "bearer-secret") {
		t.Errorf("error %q", err)
	}
}

func TestBadOptions(t *testing.T) {
	now := func() time.Time { return begin }
	for _, c := range []struct {
		o    source.Options
		want string
	}{
		{source.Options{URL: "http://x"}, "clock"},
		{source.Options{URL: "prometheus:9090", Now: now}, "is not http:// or https://"},
		{source.Options{URL: "http://[x", Now: now}, "not understood"},
		{source.Options{URL: "http://x", Now: now, Schema: "nagios"}, "unknown schema"},
		{source.Options{URL: "http://x", Now: now, Method: "guess"}, "unknown method"},
		{source.Options{URL: "http://x", Now: now, Matchers: `job="a"} or {`}, "without braces"},
		{source.Options{URL: "http://x", Now: now, Matchers: `job="a`}, "quote"},
		{source.Options{URL: "http://x", Now: now, Step: time.Millisecond}, "whole seconds"},
		{source.Options{URL: "http://x", Now: now, Username: "a", BearerToken: "b"}, "exclude each other"},
		{source.Options{URL: "http://x", Now: now, CertFile: "a"}, "both a certificate and a key"},
		{source.Options{URL: "http://x", Now: now, CAFile: "/nonexistent"}, "CA file"},
		{source.Options{URL: "http://x", Now: now, CertFile: "/nonexistent", KeyFile: "/nonexistent"}, "client certificate"},
		{source.Options{URL: "http://x", Now: now, Fields: map[string]string{"regoin": "x"}}, `did you mean "region"`},
	} {
		if _, err := source.New(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.o, err, c.want)
		}
	}
}
