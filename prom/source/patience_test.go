package source_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/prom/source"
)

// values says whether a request asks for values of CPU, not for hosts.
func values(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/query_range") && strings.Contains(r.Form.Get("query"), "node_cpu_seconds_total{mode=~")
}

// extentOf is how many host-hours a range query is about.
func extentOf(r *http.Request) float64 {
	hosts := 2.0
	if m := hostMatcher.FindStringSubmatch(r.Form.Get("query")); m != nil {
		hosts = float64(strings.Count(m[1], "|") + 1)
	}
	return hosts * seconds(r.Form.Get("end")).Sub(seconds(r.Form.Get("start"))).Hours()
}

// hang answers never.
func hang(r *http.Request) bool {
	<-r.Context().Done()
	return true
}

// TestHangingEngine: whoever waits for an engine that does not answer waits for
// two time-outs, however large the question is, and whether it is the engine or
// we who look at the clock.
func TestHangingEngine(t *testing.T) {
	for name, late := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"hangs":              func(_ http.ResponseWriter, r *http.Request) bool { return hang(r) },
		"gives up itself":    refuseOne(503, `{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}`),
		"behind a gateway":   refuseOne(504, "<html><title>504 Gateway Time-out</title></html>"),
		"its stores give up": refuseOne(422, `{"status":"error","errorType":"execution","error":"expanding series: proxy Series(): rpc error: code = Aborted desc = receive series: context deadline exceeded"}`),
	} {
		for what, is := range map[string]func(*http.Request) bool{
			"hosts": func(r *http.Request) bool { return strings.HasPrefix(r.Form.Get("query"), "count by (instance,env") },
			"capacities": func(r *http.Request) bool {
				return r.Form.Get("step") == "3600.000" && strings.HasPrefix(r.Form.Get("query"), "max by (instance)")
			},
			"values": values,
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				f, server := newFake(t)
				f.hosts = nil
				for i := range 64 {
					f.hosts = append(f.hosts, fmt.Sprintf("h%d:9100", i))
				}
				var n atomic.Int64
				f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
					if !is(r) {
						return false
					}
					n.Add(1)
					return late(w, r)
				}
				_, _, err := askFake(t, server.URL, func(o *source.Options) { o.Timeout, o.Concurrency = 500*time.Millisecond, 1 })
				if err == nil || n.Load() < 1 || n.Load() > 2 {
					t.Fatalf("%d questions, error %v", n.Load(), err)
				}
				if name == "hangs" && !errors.Is(err, source.ErrSlow) {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}

func refuseOne(status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool { return refuse(status, "", body)(0, w, r) }
}

// TestSlowEngine: an engine that takes long for much gets smaller questions, and
// learns them once: what comes after is asked in small parts at once.
func TestSlowEngine(t *testing.T) {
	for name, slow := range map[string]func(extent float64, r *http.Request) bool{
		"beyond a size": func(extent float64, r *http.Request) bool { return extent > 4 && hang(r) },
		"in proportion": func(extent float64, r *http.Request) bool { // 1.5 s for all
			select {
			case <-r.Context().Done():
				return true
			case <-time.After(time.Duration(extent / 48 * 1.5 * float64(time.Second))):
				return false
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, server := newFake(t)
			var late atomic.Int64
			f.before = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
				if !values(r) || !slow(extentOf(r), r) {
					return false
				}
				late.Add(1)
				return true
			}
			list, s, err := askFake(t, server.URL, func(o *source.Options) { o.Timeout, o.Concurrency = 600*time.Millisecond, 1 })
			if err != nil || len(list) != 2 || list[0].Count != 1440 || list[1].Count != 1440 || list[0].Covered != 24*time.Hour {
				t.Fatalf("%+v, error %v", list, err)
			}
			if n := late.Load(); n != 1 {
				t.Errorf("%d questions were not answered in time", n)
			}
			w := fleet.Window{Start: begin, End: begin.Add(24 * time.Hour)}
			for _, err := range s.Profiles(t.Context(), fleet.Query{Metric: fleet.CPUUsage, Window: w}) {
				if err != nil {
					t.Error(err)
				}
			}
			if n := late.Load(); n != 1 {
				t.Errorf("%d questions were not answered in time: it was not learned", n)
			}
		})
	}
}
