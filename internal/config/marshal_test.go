package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/zones"
)

// TestMarshalDefaults shows what `config show --defaults` prints, and that it
// parses back, that every key has its comment, and JSON the same keys.
func TestMarshalDefaults(t *testing.T) {
	text, err := Marshal(Default(), true)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/defaults.yaml", text)
	if diff := cmp.Diff(Default(), mustParse(t, string(text))); diff != "" {
		t.Errorf("(-default +parsed):\n%s", diff)
	}
	plain, err := Marshal(Default(), false)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		if s := strings.TrimSpace(line); s != "" && !strings.HasPrefix(s, "#") {
			kept = append(kept, line)
		}
		if n := len([]rune(line)); n > 110 && strings.HasPrefix(line, "# ") {
			t.Errorf("a comment of %d characters", n)
		}
	}
	if got := strings.Join(kept, ""); got != string(plain) {
		t.Errorf("comments change more than comments:\n%s\n%s", got, plain)
	}
	data, err := json.Marshal(Default())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), mustParse(t, string(data))); diff != "" {
		t.Errorf("JSON (-default +parsed):\n%s", diff)
	}
}

// TestMarshalRoundTrip writes random settings and reads them again.
func TestMarshalRoundTrip(t *testing.T) {
	text := rapid.OneOf(rapid.StringMatching(`[ -~äß世😀]{0,20}`), rapid.SampledFrom([]string{"", "null", "~", "true", "5", "1e3", "- x", "a: b", "# c", "$", "$$", "${X}", "a$b$$", " lead", "trail ", "tab\t", "two\nlines", "\u0085", "'\"", "2026-01-01", "%", "@", "<<", "=", "09:00"}))
	name := rapid.StringMatching(nameRule)
	rapid.Check(t, func(r *rapid.T) {
		c := Default()
		c.Data = rapid.OneOf(rapid.Just(""), text).Draw(r, "data")
		if strings.HasPrefix(c.Data, "~") {
			c.Data = "." + c.Data
		}
		c.TimeZone = TimeZone(rapid.SampledFrom(zones.Names()).Draw(r, "zone"))
		c.Output = Output(rapid.SampledFrom(OutputTable.words()).Draw(r, "output"))
		c.Limit = rapid.IntRange(0, 1<<40).Draw(r, "limit")
		c.Retention = Duration(rapid.Int64Range(int64(day/time.Millisecond), 1<<43).Draw(r, "retention") * int64(time.Millisecond))
		for _, n := range rapid.SliceOfN(name, 0, 3).Draw(r, "names") {
			c.Sets[n] = Selector("owner=" + quoted(text.Draw(r, "owner")))
			from := rapid.IntRange(0, 1439).Draw(r, "from")
			to := (from+rapid.IntRange(1, 1439).Draw(r, "to")-1)%1440 + 1
			if to == from {
				to = 1440
			}
			days := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) DayRange {
				return DayRange{time.Weekday(rapid.IntRange(0, 6).Draw(r, "a")), time.Weekday(rapid.IntRange(0, 6).Draw(r, "b"))}
			}), 1, 3).Draw(r, "days")
			c.BusinessHours[n] = BusinessHours{c.TimeZone, days, Clock(from), Clock(to)}
			at := time.Unix(rapid.Int64Range(0, 1<<33).Draw(r, "at"), rapid.Int64Range(0, 999999999).Draw(r, "ns")).UTC()
			c.Blackouts = append(c.Blackouts, Blackout{at, at.Add(time.Nanosecond), text.Draw(r, "reason")})
		}
		for _, p := range rapid.SliceOfNDistinct(rapid.IntRange(1, 999999), 0, 3, rapid.ID).Draw(r, "percentiles") {
			c.Statistics.Percentiles = append(c.Statistics.Percentiles, Percentile(float64(p)/10000))
		}
		c.Metrics = append(c.Metrics, Metric{"own", "things", resolutions[rapid.IntRange(0, len(resolutions)-1).Draw(r, "resolution")].value, strings.Join(strings.Fields(text.Draw(r, "description")), " ")})
		c.Import.RatioWarning = rapid.Float64Range(1, 1e9).Draw(r, "ratio")
		c.Import.MemoryBudget = Bytes(rapid.Int64Range(smallestBudget, 1<<50).Draw(r, "budget"))
		for _, comments := range []bool{false, true} {
			data, err := Marshal(c, comments)
			if err != nil {
				r.Fatal(err)
			}
			again, err := Parse("again", data, testEnv)
			if err != nil {
				r.Fatalf("%v\n%s", err, data)
			}
			if diff := cmp.Diff(c, again); diff != "" {
				r.Fatalf("(-want +got):\n%s\n%s", diff, data)
			}
		}
	})
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

const (
	tableBegin = "<!-- keys: made by a test from the comments of the code -->\n"
	tableEnd   = "<!-- end of keys -->\n"
)

// TestDocumentation keeps the table of keys in docs/configuration.md equal to
// the code, and its examples valid.
func TestDocumentation(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "configuration.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(data), tableBegin)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok1 || !ok2 {
		t.Fatal("the marks of the table are missing")
	}
	golden(t, path, []byte(before+tableBegin+KeysTable()+tableEnd+after))
	blocks := strings.Split(string(data), "```yaml\n")[1:]
	if len(blocks) < 2 {
		t.Error("no examples")
	}
	for i, b := range blocks {
		text, _, _ := strings.Cut(b, "```")
		if _, err := Parse(fmt.Sprintf("example %d", i+1), []byte(text), testEnv); err != nil {
			t.Error(err)
		}
	}
	// The errors shown must be the errors given.
	bad, _, _ := strings.Cut(after+before, "```\n<!-- end of mistakes -->")
	_, bad, _ = strings.Cut(bad, "<!-- mistakes -->\n```text\n")
	input, _, _ := strings.Cut(bad, "\n\n")
	output := strings.TrimPrefix(bad, input+"\n\n")
	if _, err := Parse("leanfleet.yaml", []byte(input), testEnv); err == nil || err.Error()+"\n" != output {
		t.Errorf("the mistakes shown for\n%s\nare\n%v\nnot\n%s", input, err, output)
	}
}

func TestKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Keys() {
		if k.Description == "" || k.Type == "" || seen[k.Path] {
			t.Errorf("poor key: %+v", k)
		}
		seen[k.Path] = true
	}
	for _, path := range []string{"data", "import", "import.memory_budget", "business_hours.NAME.days", "metrics[].resolution", "blackouts[].to", "statistics.percentiles"} {
		if !seen[path] {
			t.Errorf("no key %s in %v", path, slices.Sorted(maps.Keys(seen)))
		}
	}
}

func TestCalendar(t *testing.T) {
	c := mustParse(t, `
timezone: Asia/Kolkata
business_hours: {office: {days: [fri-sun, sat]}, berlin: {timezone: Europe/Berlin, from: "22:00", to: "06:00"}}
blackouts: [{from: 2026-01-01T00:00:00Z, to: 2026-01-02T00:00:00Z}]
`)
	var db zones.Database
	got, err := c.Calendar("office", db.Load)
	if err != nil {
		t.Fatal(err)
	}
	day := []fleet.Window{{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}}
	hours := []fleet.WeeklyHours{{Days: []time.Weekday{time.Friday, time.Saturday, time.Sunday}, From: 540, To: 1020}}
	if got.Location.String() != "Asia/Kolkata" || !cmp.Equal(got.Hours, hours) || !cmp.Equal(got.Exclude, day) {
		t.Errorf("office: %+v", got)
	}
	if got, err := c.Calendar("berlin", db.Load); err != nil || got.Location.String() != "Europe/Berlin" || got.Hours[0].From != 1320 || got.Hours[0].To != 360 {
		t.Errorf("berlin: %+v, %v", got, err)
	}
	if got, err := c.Calendar("", db.Load); err != nil || got.Hours != nil || !cmp.Equal(got.Exclude, day) {
		t.Errorf("no hours: %+v, %v", got, err)
	}
	if _, err := c.Calendar("ofice", db.Load); err == nil || err.Error() != `unknown business hours "ofice"; did you mean "office"?` {
		t.Errorf("unknown: %v", err)
	}
	c.BusinessHours["x"] = BusinessHours{TimeZone: "No/Where"}
	if _, err := c.Calendar("x", db.Load); err == nil || !strings.HasPrefix(err.Error(), "business hours x: unknown time zone") {
		t.Errorf("bad zone: %v", err)
	}
}

func TestFleetMetrics(t *testing.T) {
	c := mustParse(t, `metrics: [{name: heap_bytes, unit: bytes, resolution: 1048576}, {name: fill, unit: ratio, resolution: 0.001}, {name: cache, unit: bytes, resolution: 1024}]`)
	m, err := c.FleetMetrics()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []fleet.Metric{
		{Name: "heap_bytes", Unit: "bytes", Num: 1 << 20, Den: 1, Column: "heap_mib"},
		{Name: "fill", Unit: "ratio", Num: 1, Den: 1000, Exact: true, Column: "fill", Digits: 3},
		{Name: "cache", Unit: "bytes", Num: 1024, Den: 1, Column: "cache_kib"},
	} {
		if got, err := m.Lookup(want.Name); err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	c.Metrics[0].Name = "cpu_usage"
	if _, err := c.FleetMetrics(); err == nil {
		t.Error("a canonical name can be taken")
	}
}

func TestSelectors(t *testing.T) {
	c := mustParse(t, "sets: {web: 'dept=eng,env!=dev', all: owner}")
	got, err := c.Selectors()
	if err != nil || len(got) != 2 || got["web"].String() != "dept=eng,env!=dev" {
		t.Errorf("%v, %v", got, err)
	}
	c.Sets["bad"] = "a=b,"
	if _, err := c.Selectors(); err == nil || !strings.HasPrefix(err.Error(), "set bad: ") {
		t.Errorf("bad set: %v", err)
	}
}

func TestMarshalStable(t *testing.T) {
	c := mustParse(t, "sets: {b: x=y, a: x=z, c: x=w}")
	first, err := Marshal(c, true)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if next, err := Marshal(c, true); err != nil || !bytes.Equal(first, next) {
			t.Fatalf("two texts of the same settings: %v", err)
		}
	}
}
