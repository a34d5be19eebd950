package source_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/prom/source"
)

// The words of engines that run on nobody's machine for these tests, as their
// sources (Mimir, Thanos) or reports of users (Cortex, VictoriaMetrics) have them.
const (
	mimirChunks     = `{"status":"error","errorType":"execution","error":"the query exceeded the maximum number of chunks (limit: 2000000 chunks) (err-mimir-max-chunks-per-query). Consider reducing the time range and/or number of series selected by the query. One way to reduce the number of selected series is to add more label matchers to the query. Otherwise, to adjust the related per-tenant limit, configure -querier.max-fetched-chunks-per-query, or contact your service administrator."}`
	mimirSeries     = `{"status":"error","errorType":"execution","error":"the query exceeded the maximum number of series (limit: 100000 series) (err-mimir-max-series-per-query). Consider reducing the time range and/or number of series selected by the query. One way to reduce the number of selected series is to add more label matchers to the query. Otherwise, to adjust the related per-tenant limit, configure -querier.max-fetched-series-per-query, or contact your service administrator."}`
	mimirMemory     = `{"status":"error","errorType":"execution","error":"the query exceeded the maximum allowed estimated amount of memory consumed by a single query (limit: 1000000 bytes) (err-mimir-max-estimated-memory-consumption-per-query). Consider reducing the time range and/or number of series selected by the query. One way to reduce the number of selected series is to add more label matchers to the query. Otherwise, to adjust the related per-tenant limit, configure -querier.max-estimated-memory-consumption-per-query, or contact your service administrator."}`
	mimirExpression = `{"status":"error","errorType":"bad_data","error":"the raw query size in bytes exceeds the limit (query size: 9000, limit: 4096) (err-mimir-max-query-expression-size-bytes). To adjust the related per-tenant limit, configure -query-frontend.max-query-expression-size-bytes, or contact your service administrator."}`
	mimirTotal      = `{"status":"error","errorType":"bad_data","error":"the total query time range exceeds the limit (query length: 24h0m0s, limit: 12h0m0s) (err-mimir-max-total-query-length). To adjust the related per-tenant limit, configure -query-frontend.max-total-query-length, or contact your service administrator."}`
	mimirBlocked    = `{"status":"error","errorType":"bad_data","error":"the request has been blocked by the cluster administrator (err-mimir-query-blocked)"}`
	mimirBusy       = `{"status":"error","errorType":"too_many_requests","error":"too many outstanding requests"}`
	cortexLength    = `{"status":"error","errorType":"execution","error":"expanding series: the query time range exceeds the limit (query length: 24h0m0s, limit: 12h0m0s)"}`
	thanosSeries    = `{"status":"error","errorType":"execution","error":"expanding series: proxy Series(): rpc error: code = Aborted desc = fetch series for {} 10.0.0.7:10901: rpc error: code = ResourceExhausted desc = exceeded series limit: limit 100 violated (got 101)"}`
	thanosAway      = `{"status":"error","errorType":"execution","error":"proxy Series(): rpc error: code = Aborted desc = fetch series for {cluster=\"eu\"} 10.0.0.7:10901: rpc error: code = Unavailable desc = connection error: desc = \"transport: error while dialing: dial tcp 10.0.0.7:10901: connect: connection refused\""}`
	victoriaSamples = `{"status":"error","errorType":"422","error":"error when executing query=\"x\": cannot select more than -search.maxSamplesPerQuery=1000 samples; possible solutions: to increase the -search.maxSamplesPerQuery; to reduce time range for the query; to use more specific label filters in order to select lower number of series"}`
	victoriaSeries  = `{"status":"error","errorType":"422","error":"error when executing query=\"x\": the number of matching timeseries exceeds 30; either narrow down the search or increase -search.max* command-line flag values at vmselect"}`
)

// TestLimitsOfOthers: what Mimir, Cortex, Thanos and VictoriaMetrics say where a
// question is too much is understood: of fewer hosts, or of less time, it is
// answered.
func TestLimitsOfOthers(t *testing.T) {
	both := func(r *http.Request) bool { return strings.Contains(r.Form.Get("query"), "a:9100|b:9100") }
	long := func(r *http.Request) bool {
		return seconds(r.Form.Get("end")).Sub(seconds(r.Form.Get("start"))) > 12*time.Hour
	}
	for name, c := range map[string]struct {
		status int
		body   string
		much   func(*http.Request) bool
	}{
		"Mimir's chunks": {422, mimirChunks, both}, "Mimir's series": {422, mimirSeries, both}, "Mimir's memory": {422, mimirMemory, both},
		"Mimir's expressions": {400, mimirExpression, both}, "Mimir's length": {400, mimirTotal, long}, "Cortex' length": {422, cortexLength, long},
		"Thanos' series": {422, thanosSeries, both}, "VictoriaMetrics' samples": {422, victoriaSamples, both}, "VictoriaMetrics' series": {422, victoriaSeries, both},
	} {
		t.Run(name, func(t *testing.T) {
			f, server := newFake(t)
			refused := 0
			f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if !values(r) || !c.much(r) {
					return false
				}
				refused++
				return refuse(c.status, "Content-Type: application/json", c.body)(0, w, r)
			}
			list, _, err := askFake(t, server.URL, func(o *source.Options) { o.Concurrency = 1 })
			if err != nil || len(list) != 2 || list[0].Count != 1440 || list[1].Count != 1440 {
				t.Fatalf("%+v, error %v", list, err)
			}
			if refused != 1 {
				t.Errorf("asked too much %d times", refused)
			}
		})
	}
}

// What no smaller question mends is an error at once; what says to wait is asked
// again.
func TestRefusalsOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		status, asked int
		body, says    string
	}{
		"blocked":         {400, 1, mimirBlocked, "err-mimir-query-blocked"},
		"stores are away": {422, 1, thanosAway, "10.0.0.7:10901"},
		"busy":            {429, 3, mimirBusy, "too many outstanding requests (asked: "},
	} {
		t.Run(name, func(t *testing.T) {
			f, server := newFake(t)
			asked := 0
			f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if !values(r) {
					return false
				}
				asked++
				return refuse(c.status, "Content-Type: application/json", c.body)(0, w, r)
			}
			_, _, err := askFake(t, server.URL, func(o *source.Options) { o.Retries = 2 })
			if err == nil || !strings.Contains(err.Error(), c.says) || asked != c.asked {
				t.Errorf("asked %d times, error %v", asked, err)
			}
		})
	}
}

// TestMetadataLimits: engines that bound how far questions for labels and series
// go are asked piece by piece.
func TestMetadataLimits(t *testing.T) {
	f, server := newFake(t)
	asked := 0
	f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		path := r.URL.Path
		if !strings.HasSuffix(path, "/labels") && !strings.HasSuffix(path, "/values") && !strings.HasSuffix(path, "/series") {
			return false
		}
		length := seconds(r.Form.Get("end")).Sub(seconds(r.Form.Get("start")))
		if length > 12*24*time.Hour {
			return refuse(422, "", cortexLength)(0, w, r)
		}
		asked++
		return false
	}
	list, _, err := askFake(t, server.URL, nil) // which looks 40 days back
	if err != nil || len(list) != 2 || list[0].Count != 1440 || list[0].Record.Region != "eu-west-1" {
		t.Errorf("%+v, error %v", list, err)
	}
	if asked < 8 {
		t.Errorf("asked %d times", asked)
	}
}

// TestParametersOfThanos: whole answers from what was scraped, not from what was
// downsampled; that no store has data of a time is no part of an answer lacking.
func TestParametersOfThanos(t *testing.T) {
	f, server := newFake(t)
	var missing []string
	f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/query") || strings.HasSuffix(r.URL.Path, "/query_range") {
			if got := r.Form.Get("max_source_resolution") + " " + r.Form.Get("partial_response"); got != "0s false" {
				missing = append(missing, r.URL.String()+": "+got)
			}
			if r.Form.Get("dedup") != "" { // Thanos takes replicas for one where nobody says otherwise
				missing = append(missing, "dedup")
			}
		}
		return false
	}
	f.warnings = []string{"No StoreAPIs matched for this query"}
	list, s, err := askFake(t, server.URL, nil)
	if err != nil || len(list) != 2 || len(missing) > 0 {
		t.Fatalf("%+v, missing %q, error %v", list, missing, err)
	}
	w := fleet.Window{Start: begin, End: begin.Add(24 * time.Hour)}
	if notes, err := s.Notes(t.Context(), fleet.CPUUsage, w); err != nil || len(notes) != 0 {
		t.Errorf("notes %q, error %v", notes, err)
	}
	f.warnings = append(f.warnings, `fetch series for {cluster="eu"} 10.0.0.7:10901: rpc error: code = Unavailable desc = connection error`)
	if _, _, err := askFake(t, server.URL, nil); err == nil || !strings.Contains(err.Error(), "from a part of its data") {
		t.Errorf("error %v", err)
	}
}

// TestAnotherSchema: where the series that were asked for are not there, and
// others are, it is said which.
func TestAnotherSchema(t *testing.T) {
	f, server := newFake(t)
	f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool { // it has no other series
		asked := r.Form.Get("query") + r.Form.Get("match[]")
		switch {
		case strings.Contains(asked, "node_") || strings.Contains(asked, "vector(1)"):
			return false
		case strings.HasSuffix(r.URL.Path, "/labels"):
			return refuse(200, "", `{"status":"success","data":[]}`)(0, w, r)
		case strings.HasSuffix(r.URL.Path, "/query_range"):
			return refuse(200, "", `{"status":"success","data":{"resultType":"matrix","result":[]}}`)(0, w, r)
		}
		return false
	}
	for _, schema := range []string{"windows_exporter", "otel", "leanfleet"} {
		_, _, err := askFake(t, server.URL, func(o *source.Options) { o.Schema = schema })
		if err == nil || !strings.Contains(err.Error(), "has no series of "+schema+" in the last 40 days, but has some of node_exporter: ask for the schema node_exporter, or auto") {
			t.Errorf("%s: error %v", schema, err)
		}
	}
	if list, _, err := askFake(t, server.URL, func(o *source.Options) { o.Schema = "node_exporter" }); err != nil || len(list) != 2 {
		t.Errorf("%+v, error %v", list, err)
	}
}

// ownSeries is an engine with leanfleet's own series of one host, every step of
// 600 s from the beginning on, as an instant query tells them.
func ownSeries(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	query, path := r.Form.Get("query"), r.URL.Path
	labels := map[string]string{"__name__": "leanfleet_cpu_usage_ratio", "host": "a", "step": "600"}
	answer := func(data any) {
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": data})
	}
	matrix := func(at []time.Time) {
		var values []any
		for _, x := range at {
			values = append(values, []any{float64(x.UnixMilli()) / 1000, "0.25"})
		}
		var list []any
		if len(values) > 0 {
			list = append(list, map[string]any{"metric": labels, "values": values})
		}
		answer(map[string]any{"resultType": "matrix", "result": slices.Concat([]any{}, list)})
	}
	within := func(from, to time.Time, every time.Duration) (list []time.Time) {
		for at := from; !at.After(to); at = at.Add(every) {
			if at.After(begin) && !at.After(begin.Add(24*time.Hour)) {
				list = append(list, at)
			}
		}
		return list
	}
	switch {
	case strings.HasSuffix(path, "/read"):
		http.NotFound(w, r)
	case strings.HasSuffix(path, "/runtimeinfo"):
		answer(map[string]any{})
	case strings.HasSuffix(path, "/labels"):
		answer([]string{"__name__", "host", "step"})
	case strings.HasSuffix(path, "/values"):
		answer([]string{"leanfleet_cpu_usage_ratio"})
	case strings.HasSuffix(path, "/series"):
		answer([]any{})
	case strings.Contains(query, "quantiles_over_time"):
		w.WriteHeader(http.StatusBadRequest)
	case strings.Contains(query, "vector(1)"):
		answer(map[string]any{"resultType": "vector", "result": []any{map[string]any{"metric": map[string]string{}, "value": []any{1700000040, "1"}}}})
	case strings.HasSuffix(path, "/query_range"):
		from, to := seconds(r.Form.Get("start")), seconds(r.Form.Get("end"))
		every := 24 * time.Hour
		if r.Form.Get("step") == "3600.000" {
			every = time.Hour
		}
		var list []time.Time
		for at := from; !at.After(to); at = at.Add(every) {
			if at.After(begin) && at.Add(-every).Before(begin.Add(24*time.Hour)) {
				list = append(list, at)
			}
		}
		matrix(list)
	default:
		to := seconds(r.Form.Get("time"))
		matrix(within(begin, to, 10*time.Minute))
	}
}

// TestRetentionOfOwnSeries: that samples begin late is said from two steps on,
// also of leanfleet's own series, whose steps are their own.
func TestRetentionOfOwnSeries(t *testing.T) {
	f, server := newFake(t)
	f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool { ownSeries(w, r); return true }
	list, s, err := askFake(t, server.URL, nil)
	if err != nil || len(list) != 1 || list[0].Count != 144 {
		t.Fatalf("%+v, error %v", list, err)
	}
	for before, want := range map[time.Duration]string{
		20 * time.Minute: "",
		21 * time.Minute: "2024-03-28T00:00:00Z on only: 60 min of the 81 min asked for",
		3 * time.Hour:    "60 min of the 4.0 h asked for",
	} {
		w := fleet.Window{Start: begin.Add(-before), End: begin.Add(time.Hour)}
		notes, err := s.Notes(t.Context(), fleet.CPUUsage, w)
		if err != nil || (want == "") != (len(notes) == 0) || want != "" && !strings.Contains(notes[0], want) {
			t.Errorf("%s before the first sample: notes %q, error %v", before, notes, err)
		}
	}
}

// TestProviderOfItsType: a type that one provider alone has tells the provider
// where nobody else does.
func TestProviderOfItsType(t *testing.T) {
	catalogues := func(of ...string) func(string, string) (fleet.Capacity, bool) {
		return func(provider, name string) (fleet.Capacity, bool) {
			return fleet.Capacity{VCPUs: 2, MemoryBytes: 8 << 30}, name == "m5.large" && slices.Contains(of, provider)
		}
	}
	for _, c := range []struct {
		of             []string
		provider, want string
		from           string
	}{
		{[]string{"aws"}, "", "aws", "catalogue"}, {[]string{"aws", "gcp"}, "", "", "measured"}, {nil, "", "", "measured"},
		{[]string{"aws"}, "onprem", "onprem", "measured"},
	} {
		f, server := newFake(t)
		f.provider = c.provider
		_, s, err := askFake(t, server.URL, func(o *source.Options) { o.Types = catalogues(c.of...) })
		if err != nil {
			t.Fatal(err)
		}
		records, err := s.Records(t.Context(), fleet.Selector{}, fleet.Window{})
		if err != nil || len(records) != 2 || records[0].Provider != c.want || records[0].InstanceType != "m5.large" || records[0].CapacityFrom != c.from {
			t.Errorf("%+v: %+v, error %v", c, records, err)
		}
	}
}
