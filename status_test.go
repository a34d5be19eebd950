package leanfleet_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
)

// TestStatusFindings: silent hosts, gaps, clocks that are ahead, a disk that is
// nearly full, each with the level of a monitoring plugin.
func TestStatusFindings(t *testing.T) {
	m, _ := faceMonitor(t) // its clock stands at 2024-02-01
	begin := time.Date(2024, 1, 31, 0, 0, 0, 0, time.UTC)
	var b strings.Builder
	b.WriteString("host,timestamp,cpu_usage\n")
	row := func(host string, minute int) {
		fmt.Fprintf(&b, "%s,%s,0.5\n", host, begin.Add(time.Duration(minute)*time.Minute).Format(time.RFC3339))
	}
	for minute := range 1440 {
		row("steady", minute)
		if minute < 1200 {
			row("silent", minute)
			row("stopped", minute)
		}
		if minute < 700 || minute > 1300 {
			row("gappy", minute)
		}
	}
	for minute := range 1460 {
		row("ahead", minute)
	}
	usage := writeFile(t, "usage.csv", b.String())
	hosts := writeFile(t, "hosts.csv", "host,state,valid_from\nstopped,stopped,2024-01-31T20:00:00Z\n")
	if _, err := m.Import(t.Context(), leanfleet.ImportRequest{Samples: []string{usage}, Inventory: []string{hosts}}); err != nil {
		t.Fatal(err)
	}
	names := func(r leanfleet.StatusResult) (silent, gaps, ahead []string) {
		for _, h := range r.Silent {
			silent = append(silent, h.Name)
		}
		for _, h := range r.Gaps {
			gaps = append(gaps, fmt.Sprintf("%s %.2f", h.Name, h.Coverage))
		}
		for _, h := range r.Ahead {
			ahead = append(ahead, h.Name)
		}
		return
	}
	for _, x := range []struct {
		req                 leanfleet.StatusRequest
		level               leanfleet.Level
		silent, gaps, ahead string
		says                string
	}{
		{leanfleet.StatusRequest{MinFree: 1e-9}, leanfleet.LevelWarning, "[]", "[]", "[ahead]", "ends in the future"},
		{leanfleet.StatusRequest{MinFree: 1e-9, MaxAge: time.Hour}, leanfleet.LevelWarning, "[silent]", "[]", "[ahead]", "silent for more than 1h0m0s, and not known to be stopped: silent"},
		{leanfleet.StatusRequest{MinFree: 1e-9, MinCoverage: 0.9}, leanfleet.LevelWarning, "[]", "[gappy 0.58]", "[ahead]", "measured for less than 90 % of the time they ran: 1 host: gappy 58.3 %"},
		{leanfleet.StatusRequest{MinFree: 0.9999999}, leanfleet.LevelCritical, "[]", "[]", "[ahead]", "of the file system is left"},
	} {
		r, err := m.Status(t.Context(), x.req)
		if err != nil {
			t.Fatal(err)
		}
		silent, gaps, ahead := names(r)
		if r.Level != x.level && x.req.MinFree < 0.5 || fmt.Sprint(silent) != x.silent || fmt.Sprint(gaps) != x.gaps || fmt.Sprint(ahead) != x.ahead || !strings.Contains(strings.Join(r.Findings, "\n"), x.says) {
			t.Errorf("%+v: %s, silent %v, gaps %v, ahead %v, %q", x.req, r.Level, silent, gaps, ahead, r.Findings)
		}
	}
	if _, err := m.Status(t.Context(), leanfleet.StatusRequest{MinCoverage: 1.5}); err == nil {
		t.Error("a share of 150 % was taken")
	}
}
