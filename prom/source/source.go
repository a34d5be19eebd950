package source

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/inventory"
	"github.com/leanfleet/leanfleet/prom/internal/names"
)

// Source asks one engine. Its methods may be called from several goroutines.
type Source struct {
	client *client
	o      Options
	asked  names.Schema // as configured

	impossible atomic.Int64  // values that cannot be
	noRaw      atomic.Bool   // the engine has refused to give series as they are stored
	worst      atomic.Uint64 // the largest rank error of an answer, as bits

	mu   sync.Mutex
	view *view
}

var _ fleet.Approximate = (*Source)(nil)

// New returns a source. It asks nothing yet: an engine that is away is an error
// of the first question.
func New(o Options) (*Source, error) {
	s := &Source{o: o}
	schema, err := s.o.complete()
	if err != nil {
		return nil, err
	}
	s.asked = schema
	if s.client, err = s.o.dial(); err != nil {
		return nil, err
	}
	if s.o.Book == nil {
		s.o.Book = inventory.NewBook(s.o.Types)
	}
	return s, nil
}

// Address is the engine's address without secrets.
func (s *Source) Address() string { return s.client.shown }

// Cost is what the questions so far cost.
type Cost struct {
	// Requests were sent, retries included.
	Requests int64 `json:"requests"`
	// Bytes came back over the wire.
	Bytes int64 `json:"bytes"`
	// Waited is the time until answers began: the engine's own, with the way
	// there. Requests that ran side by side count each.
	Waited time.Duration `json:"waited"`
}

// Cost returns what the questions so far cost.
func (s *Source) Cost() Cost {
	return Cost{s.client.requests.Load(), s.client.bytes.Load(), time.Duration(s.client.spent.Load())}
}

// engine is what was found out of the engine.
type engine struct {
	// metricsQL says that it has VictoriaMetrics' functions.
	metricsQL bool
	// closed says that a range [d] at t holds a sample at t - d, as it did before
	// Prometheus 3.
	closed bool
	// retention is what the engine says it keeps, "" when it does not say.
	retention string
	// remoteRead says that it gives series as they are stored, in streamed chunks.
	remoteRead bool
}

// name is what the engine is called in plans.
func (e *engine) name() string {
	if e.metricsQL {
		return "victoriametrics"
	}
	return "prometheus"
}

// window is a range that holds what lies in (t - d, t], in whole milliseconds.
func (e *engine) window(d time.Duration) time.Duration {
	if e.closed {
		return d - time.Millisecond
	}
	return d
}

// probe finds out what the engine is by what it does, for names and versions of
// engines that stand behind proxies say little.
func (s *Source) probe(ctx context.Context) (engine, error) {
	var e engine
	const at = 1700000040 // a whole minute
	count, err := s.scalar(ctx, "count_over_time(vector(1)[1m:1m])", time.Unix(at, 0))
	if err != nil {
		return e, err
	}
	switch count {
	case 1:
	case 2:
		e.closed = true
	default:
		return e, fmt.Errorf("%s: count_over_time(vector(1)[1m:1m]) is %g, neither 1 nor 2: subqueries are needed", s.client.shown, count)
	}
	_, err = s.scalar(ctx, `count(quantiles_over_time("phi",0.5,vector(1)[1m:1m]))`, time.Unix(at, 0))
	var refused *EngineError
	switch {
	case err == nil:
		e.metricsQL = true
	case errors.As(err, &refused) && refused.Status >= 400 && refused.Status < 500 && refused.Status != 429:
	default:
		return e, err
	}
	e.retention = s.retention(ctx)
	e.remoteRead = !e.metricsQL && !s.o.QueriesOnly && s.tryRaw(ctx)
	return e, nil
}

// retention asks a Prometheus what it keeps; others do not say.
func (s *Source) retention(ctx context.Context) (out string) {
	r := request{path: "api/v1/status/runtimeinfo", form: url.Values{}, get: true, try: true}
	_ = s.client.read(ctx, r, func(d *decoder) (answer, error) {
		var a answer
		return a, d.object(func(key string) error {
			if key != "data" {
				return d.skip(0)
			}
			return d.object(func(key string) (err error) {
				if key != "storageRetention" {
					return d.skip(0)
				}
				out, err = d.str()
				return err
			})
		})
	})
	return out
}

// scalar asks for one number; 0 when the answer is empty.
func (s *Source) scalar(ctx context.Context, query string, at time.Time) (float64, error) {
	var got single
	err := s.instant(ctx, query, at, "", func() consumer { got = single{}; return &got })
	return got.value, err
}

type single struct{ value float64 }

func (s *single) series(map[string]string) error     { return nil }
func (s *single) point(_ int64, value float64) error { s.value = value; return nil }

func stamp(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

func stampMilli(ms int64) string { return strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64) }

// common are parameters of every question: partial answers are not wanted
// unless asked for, and VictoriaMetrics is to take times as they are.
func (s *Source) common(form url.Values) url.Values {
	if !s.o.AllowPartial {
		form.Set("partial_response", "false")  // Thanos
		form.Set("deny_partial_response", "1") // VictoriaMetrics' cluster
	}
	// Thanos may be told to take samples of 5 minutes or an hour in place of those
	// that were scraped: rates over less would be nothing.
	form.Set("max_source_resolution", "0s")
	form.Set("timeout", strconv.Itoa(max(1, int(s.o.Timeout.Seconds())))+"s")
	form.Set("nocache", "1")
	return form
}

// told tells who wants to know of a query before it is sent.
func (s *Source) told(path, query string, start, end time.Time, step time.Duration) {
	if s.o.Asked != nil {
		s.o.Asked(PlannedQuery{Path: "/" + path, Query: query, Start: start.UTC(), End: end.UTC(), Step: step, Times: 1})
	}
}

// instant evaluates a query at a time. The consumer is made anew for each try.
func (s *Source) instant(ctx context.Context, query string, at time.Time, what string, start func() consumer) error {
	s.told("api/v1/query", query, at, at, 0)
	form := s.common(url.Values{"query": {query}, "time": {stamp(at)}})
	return s.client.read(ctx, request{path: "api/v1/query", form: form, what: what}, func(d *decoder) (answer, error) { return d.result(start()) })
}

// span evaluates a query at from, from + step, ... up to to, in milliseconds.
func (s *Source) span(ctx context.Context, query string, from, to, step int64, what string, start func() consumer) error {
	s.told("api/v1/query_range", query, time.UnixMilli(from), time.UnixMilli(to), time.Duration(step)*time.Millisecond)
	form := s.common(url.Values{"query": {query}, "start": {stampMilli(from)}, "end": {stampMilli(to)}, "step": {stampMilli(step)}})
	return s.client.read(ctx, request{path: "api/v1/query_range", form: form, what: what}, func(d *decoder) (answer, error) { return d.result(start()) })
}

// export reads raw samples with from <= time <= to, as VictoriaMetrics gives
// them out. It is not asked to reduce its memory: in that mode 1.79.5 now and
// then gives a block the time stamp of another, when it is asked twice at once.
func (s *Source) export(ctx context.Context, selector string, from, to int64, what string, start func() consumer) error {
	form := url.Values{"match[]": {selector}, "start": {stampMilli(from)}, "end": {stampMilli(to)}}
	return s.client.read(ctx, request{path: "api/v1/export", form: form, what: what}, func(d *decoder) (answer, error) { return answer{complete: true}, d.lines(start()) })
}

// labelValues returns the values of a label of the series that match between
// two times, "" as label for the names of labels.
func (s *Source) labelValues(ctx context.Context, label, selector string, w fleet.Window) (out []string, err error) {
	err = byTimes(w, func(w fleet.Window) error {
		part, err := s.labelValuesIn(ctx, label, selector, w)
		out = append(out, part...)
		return err
	})
	slices.Sort(out)
	return slices.Compact(out), err
}

// byTimes asks about a window, or about its halves, down to a day, where the
// engine says that it is too much: some bound how far such questions go.
func byTimes(w fleet.Window, ask func(fleet.Window) error) error {
	err := ask(w)
	if err == nil || !tooLarge(err) || w.Duration() <= 24*time.Hour {
		return err
	}
	middle := w.Start.Add(w.Duration() / 2)
	if err := byTimes(fleet.Window{Start: w.Start, End: middle}, ask); err != nil {
		return err
	}
	return byTimes(fleet.Window{Start: middle, End: w.End}, ask)
}

func (s *Source) labelValuesIn(ctx context.Context, label, selector string, w fleet.Window) ([]string, error) {
	path := "api/v1/label/" + label + "/values"
	if label == "" {
		path = "api/v1/labels"
	}
	var out []string
	s.told(path, selector, w.Start, w.End, 0)
	form := s.common(url.Values{"match[]": {selector}, "start": {stamp(w.Start)}, "end": {stamp(w.End)}})
	r := request{path: path, form: form, what: "labels", get: label != ""} // values are asked for by GET alone
	err := s.client.read(ctx, r, func(d *decoder) (answer, error) {
		out = out[:0]
		var a answer
		return a, d.object(func(key string) (err error) {
			switch key {
			case "status":
				a.status, err = d.str()
			case "error":
				a.message, err = d.str()
			case "data":
				if null, err := d.null(); null || err != nil {
					return err
				}
				err = d.array(func() error {
					v, err := d.str()
					out = append(out, v)
					return err
				})
			default:
				err = d.skip(0)
			}
			return err
		})
	})
	return out, err
}

// labelSets yields the labels of the series that match between two times, each
// once.
func (s *Source) labelSets(ctx context.Context, selectors []string, w fleet.Window) (out []map[string]string, err error) {
	seen := map[string]bool{}
	err = byTimes(w, func(w fleet.Window) error {
		part, err := s.labelSetsIn(ctx, selectors, w)
		for _, labels := range part {
			if id := fmt.Sprint(labels); !seen[id] { // in the order of their names
				seen[id] = true
				out = append(out, labels)
			}
		}
		return err
	})
	return out, err
}

func (s *Source) labelSetsIn(ctx context.Context, selectors []string, w fleet.Window) (out []map[string]string, err error) {
	s.told("api/v1/series", strings.Join(selectors, " "), w.Start, w.End, 0)
	form := s.common(url.Values{"match[]": selectors, "start": {stamp(w.Start)}, "end": {stamp(w.End)}})
	err = s.client.read(ctx, request{path: "api/v1/series", form: form, what: "series"}, func(d *decoder) (answer, error) {
		out = out[:0]
		return d.list(func(labels map[string]string) error {
			out = append(out, labels)
			return nil
		})
	})
	return out, err
}
