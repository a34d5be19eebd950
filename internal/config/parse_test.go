package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("test.yaml", []byte(text), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestInvalid holds the errors of every invalid example against the file beside
// it: all of them, with line and column.
func TestInvalid(t *testing.T) {
	for _, path := range files(t, "testdata/invalid/*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := Parse("leanfleet.yaml", data, testEnv)
			var all *Errors
			if !errors.As(err, &all) || cfg != nil {
				t.Fatalf("Parse = %v, %v; want *Errors", cfg, err)
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".errors", []byte(err.Error()+"\n"))
			for _, p := range all.Problems {
				if p.File != "leanfleet.yaml" || p.Line < 1 || p.Column < 1 {
					t.Errorf("no position: %+v", p)
				}
			}
		})
	}
}

func TestFull(t *testing.T) {
	data, err := os.ReadFile("testdata/valid/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Data: "/var/lib/leanfleet", TimeZone: "Europe/Berlin", Output: OutputWide, Limit: 0, Retention: Duration(9 * day),
		Sets: map[string]Selector{"web": "dept=eng,role=web", "critical": "env=prod", "numbered": "name=~web-[0-9]+$"},
		BusinessHours: map[string]BusinessHours{
			"office": {"Asia/Kolkata", []DayRange{{time.Monday, time.Thursday}, {time.Saturday, time.Saturday}}, 9*60 + 30, 18 * 60},
			"night":  {"", []DayRange{{time.Friday, time.Monday}}, 22 * 60, 6 * 60},
			"plain":  {"", []DayRange{{time.Monday, time.Friday}}, 9 * 60, 17 * 60},
			"all":    {"", []DayRange{{time.Monday, time.Sunday}}, 0, 24 * 60},
		},
		Blackouts: []Blackout{{time.Date(2026, 3, 14, 22, 0, 0, 0, time.UTC), time.Date(2026, 3, 15, 4, 0, 0, 5e8, time.UTC), "data centre move"}},
		Metrics: []Metric{
			{"http_requests_per_second", "per_second", 0.1, "requests served"}, {"heap_bytes", "bytes", 1048576, ""}, {"queue", "count", 1, ""},
		},
		Import:     Import{Duration(5 * time.Minute), StampEnd, true, Duration(36 * time.Hour), 2, 3 << 29},
		Statistics: Statistics{OverHosts, []Percentile{50, 90, 99.9}},
		Prices: Prices{
			Sheets: []string{"prices.yaml", "/etc/discounts.csv"}, Commitments: []string{"commitments.csv"}, Rates: []string{"rates.csv"},
			Precedence: []Layer{LayerLive, LayerSheet}, WarnAge: Duration(30 * day), CAFile: "proxy.pem",
			AWS:   AWSPrices{true, "https://mirror.example/aws", "https://a.example", "https://b.example"},
			Azure: AzurePrices{"http://localhost:8080/prices", "00000000-0000-0000-0000-000000000000"},
			GCP:   GCPPrices{"https://c.example", "https://d.example", "my-project"},
		},
		Rightsizing: Rightsizing{
			Confidence: "0.97", MaxRisk: "20%", MinSavings: "15%", MinMonthlySavings: "10", Burstable: BurstableExclude, AllowARM: true,
			AllowFamilies: []string{"m7i", "r7i", "c7i"}, DenyFamilies: []string{"t3"},
			Rules: []SizingRule{
				{Name: "production", Match: "env=prod", Confidence: "99%", MaxRisk: "0.05", MinSavings: "0.25", MinMonthlySavings: "50.5", Burstable: "keep"},
				{Match: "env=lab", Burstable: BurstableInherit, Exclude: true},
			},
		},
		Collect: Collect{Interval: Duration(10 * time.Second), Root: "/host", MaxGroups: 8, Groups: []ProcessGroup{
			{Group: "postgres", Name: "postgres"}, {Group: "user $1", User: "(.*)"}, {CGroup: `/system\.slice/nginx.*`},
		}},
		Prometheus: Prometheus{
			URL: "https://mimir.example/prometheus", Schema: SchemaNodeExporter, Headers: map[string]string{"X-Scope-OrgID": "fleet"}, Username: "carlos",
			PasswordFile: "password", CAFile: "ca.pem", CertFile: "client.pem", KeyFile: "client.key", ServerName: "mimir", Insecure: true,
			Matchers: `job="node"`, HostLabel: "nodename", DedupLabels: []string{"replica"}, Fields: map[string]string{"instance_type": "node_type"},
			DropLabels: []string{"pod"}, Step: Duration(30 * time.Second), Timeout: Duration(time.Minute), AllowPartial: true, QueriesOnly: true,
		},
	}
	if diff := cmp.Diff(want, mustParse(t, string(data))); diff != "" {
		t.Errorf("full.yaml (-want +got):\n%s", diff)
	}
}

func TestVariables(t *testing.T) {
	data, err := os.ReadFile("testdata/valid/variables.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got := mustParse(t, string(data))
	want := Default()
	want.Data, want.TimeZone, want.Output, want.Limit, want.Retention = "/home/ada/leanfleet", "Asia/Tokyo", OutputJSON, 50, Duration(90*day)
	want.Sets = map[string]Selector{"dollars": "cost$centre=~a$", "words": `owner="one two"`}
	want.BusinessHours["office"] = BusinessHours{"", []DayRange{{time.Monday, time.Monday}}, 8 * 60, 17 * 60}
	want.Blackouts = []Blackout{{time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC), time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), ""}}
	want.Import.SkipBad, want.Import.MemoryBudget = true, 64<<20
	want.Statistics.Percentiles = []Percentile{75}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("variables.yaml (-want +got):\n%s", diff)
	}
}

func TestExpand(t *testing.T) {
	for _, c := range []struct{ in, want, mistake string }{
		{"plain", "plain", ""},
		{"", "", ""},
		{"$", "$", ""},
		{"a$", "a$", ""},
		{"$HOME", "$HOME", ""},
		{"^web-[0-9]+$|^db$", "^web-[0-9]+$|^db$", ""},
		{"$$", "$", ""},
		{"$${HOME}", "${HOME}", ""},
		{"$$$$", "$$", ""},
		{"${HOME}/x", "/home/ada/x", ""},
		{"${EMPTY}", "", ""},
		{"${EMPTY:-d}", "d", ""},
		{"${NONE:-}", "", ""},
		{"${NONE:-a:-b}", "a:-b", ""},
		{"${ZONE:-d}", "Asia/Tokyo", ""},
		{"${RICH}", "${ZONE}$$", ""}, // values are not expanded again
		{"${NONE}", "", "variable NONE is not set; set it, or give a default as ${NONE:-default}"},
		{"${}", "", "${} does not name a variable; use ${NAME} or ${NAME:-default}, or $$ for a literal dollar"},
		{"${1A}", "", "${1A} does not name a variable; use ${NAME} or ${NAME:-default}, or $$ for a literal dollar"},
		{"x${HOME", "", `"${HOME" has no closing brace; write $$ for a literal dollar`},
	} {
		got, _, mistakes := expand(c.in, testEnv)
		if m := strings.Join(mistakes, "|"); got != c.want || m != c.mistake {
			t.Errorf("expand(%q) = %q, %q; want %q, %q", c.in, got, m, c.want, c.mistake)
		}
	}
}

func TestJSONEscapes(t *testing.T) {
	c := mustParse(t, `{"sets": {"a": "team=\"\ud83d\ude00\"", "b": "team=\"\\\\ud83d\\\\ude00\""}}`)
	want := map[string]Selector{"a": `team="😀"`, "b": `team="\\ud83d\\ude00"`}
	if diff := cmp.Diff(want, c.Sets); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBounds(t *testing.T) {
	if _, err := Parse("x", bytes.Repeat([]byte("#"), maxFileBytes+1), testEnv); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a file over the bound: %v", err)
	}
	// 400 days and 400 aliases of them are 160,000 values from 4 KB.
	text := "business_hours:\n  h: {days: &d [" + strings.Repeat("mon,", 400) + "]}\n"
	for i := range 400 {
		text += fmt.Sprintf("  h%d: {days: *d}\n", i)
	}
	_, err := Parse("x", []byte(text), testEnv)
	if err == nil || strings.Count(err.Error(), "\n") != 0 || !strings.Contains(err.Error(), "more than 100000 values") {
		t.Errorf("many values by aliases: %v", err)
	}
	if _, err := Parse("x", []byte("business_hours: &a {b: *a}"), testEnv); err == nil {
		t.Error("an alias inside its own anchor is accepted")
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "leanfleet.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("data: store\n")
	if c, err := Load(path, testEnv); err != nil || c.Data != filepath.Join(dir, "store") {
		t.Errorf("relative data: %v, %v", c, err)
	}
	write("data: /store\n")
	if c, err := Load(path, testEnv); err != nil || c.Data != "/store" {
		t.Errorf("absolute data: %v, %v", c, err)
	}
	write("prices: {sheets: [a.csv, /b.yaml], commitments: [c.csv], rates: [d.csv], ca_file: e.pem}\n")
	if c, err := Load(path, testEnv); err != nil || c.Prices.Sheets[0] != filepath.Join(dir, "a.csv") || c.Prices.Sheets[1] != "/b.yaml" ||
		c.Prices.Commitments[0] != filepath.Join(dir, "c.csv") || c.Prices.Rates[0] != filepath.Join(dir, "d.csv") || c.Prices.CAFile != filepath.Join(dir, "e.pem") {
		t.Errorf("relative files of prices: %v, %v", c, err)
	}
	write("limt: 5\n")
	if _, err := Load(path, testEnv); err == nil || err.Error() != path+`:1:1: unknown key "limt"; did you mean "limit"?` {
		t.Errorf("unknown key: %v", err)
	}
	if _, err := Load(filepath.Join(dir, "none"), testEnv); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Load(dir, testEnv); err == nil {
		t.Error("a directory loads")
	}
}

// TestPrecedence walks one key through default, file and variable, and shows
// where the file is looked for.
func TestPrecedence(t *testing.T) {
	home, other := t.TempDir(), filepath.Join(t.TempDir(), "other.yaml")
	env := map[string]string{"HOME": home}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	check := func(step, flag, wantFile string, wantLimit int) {
		t.Helper()
		c, file, err := Resolve(flag, lookup)
		if err != nil || file != wantFile || c.Limit != wantLimit {
			t.Errorf("%s: %v, file %q, %v; want file %q, limit %d", step, c, file, err, wantFile, wantLimit)
		}
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	check("default", "", "", 20)
	usual := DefaultFile(lookup)
	write(usual, "limit: 1")
	check("file of the user", "", usual, 1)
	write(other, "limit: 2")
	env["LEANFLEET_CONFIG"] = other
	check("file of the variable", "", other, 2)
	check("file of the flag", usual, usual, 1)
	env["LEANFLEET_LIMIT"] = "3"
	check("variable over file", "", other, 3)
	env["LEANFLEET_LIMIT"] = ""
	check("an empty variable is none", "", other, 2)

	env["LEANFLEET_CONFIG"] = filepath.Join(home, "none.yaml")
	if _, _, err := Resolve("", lookup); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a named file that is missing: %v", err)
	}
	env["LEANFLEET_CONFIG"] = other
	write(other, "limit: x\noutput: y")
	env["LEANFLEET_OUTPUT"], env["LEANFLEET_IMPORT_STEP"] = "csvv", "3d"
	_, file, err := Resolve("", lookup)
	want := "LEANFLEET_OUTPUT: must be one of table, wide, json, jsonl, csv; not \"csvv\"; did you mean \"csv\"?\n" +
		"LEANFLEET_IMPORT_STEP: must be at most 1d; not 3d\n" +
		other + ":1:8: limit: must be a whole number; not \"x\"\n" +
		other + ":2:9: output: must be one of table, wide, json, jsonl, csv; not \"y\""
	if err == nil || err.Error() != want || file != other {
		t.Errorf("mistakes of file and variables:\n got %v\nwant %s", err, want)
	}
}

// TestApplyEnv sets every variable of the list of keys and finds each in the
// settings.
func TestApplyEnv(t *testing.T) {
	env := map[string]string{
		"LEANFLEET_DATA": "/d", "LEANFLEET_TIMEZONE": "Asia/Tokyo", "LEANFLEET_OUTPUT": "json", "LEANFLEET_LIMIT": "7", "LEANFLEET_RETENTION": "2d",
		"LEANFLEET_IMPORT_STEP": "1m", "LEANFLEET_IMPORT_STAMP": "end", "LEANFLEET_IMPORT_SKIP_BAD": "true", "LEANFLEET_IMPORT_FUTURE_TOLERANCE": "5m",
		"LEANFLEET_IMPORT_RATIO_WARNING": "3.5", "LEANFLEET_IMPORT_MEMORY_BUDGET": "1GiB", "LEANFLEET_STATISTICS_OVER": "hosts",
		"LEANFLEET_PRICES_WARN_AGE": "30d", "LEANFLEET_PRICES_CA_FILE": "ca.pem", "LEANFLEET_PRICES_AWS_QUERY": "true",
		"LEANFLEET_PRICES_AWS_URL": "https://a", "LEANFLEET_PRICES_AWS_QUERY_URL": "https://b", "LEANFLEET_PRICES_AWS_EC2_URL": "https://c",
		"LEANFLEET_PRICES_AZURE_URL": "https://d", "LEANFLEET_PRICES_AZURE_SUBSCRIPTION": "s-1",
		"LEANFLEET_PRICES_GCP_URL": "https://e", "LEANFLEET_PRICES_GCP_COMPUTE_URL": "https://f", "LEANFLEET_PRICES_GCP_PROJECT": "p-1",
		"LEANFLEET_RIGHTSIZING_CONFIDENCE": "0.9", "LEANFLEET_RIGHTSIZING_MAX_RISK": "10%", "LEANFLEET_RIGHTSIZING_MIN_SAVINGS": "5%",
		"LEANFLEET_RIGHTSIZING_MIN_MONTHLY_SAVINGS": "3", "LEANFLEET_RIGHTSIZING_BURSTABLE": "allow", "LEANFLEET_RIGHTSIZING_ALLOW_ARM": "true",
		"LEANFLEET_COLLECT_INTERVAL": "15s", "LEANFLEET_COLLECT_ROOT": "/measured", "LEANFLEET_COLLECT_MAX_GROUPS": "5",
		"LEANFLEET_PROMETHEUS_URL": "http://p:9090", "LEANFLEET_PROMETHEUS_SCHEMA": "otel", "LEANFLEET_PROMETHEUS_USERNAME": "u",
		"LEANFLEET_PROMETHEUS_PASSWORD_FILE": "/pw", "LEANFLEET_PROMETHEUS_BEARER_TOKEN_FILE": "",
		"LEANFLEET_PROMETHEUS_CA_FILE": "/ca", "LEANFLEET_PROMETHEUS_CERT_FILE": "/cert", "LEANFLEET_PROMETHEUS_KEY_FILE": "/key",
		"LEANFLEET_PROMETHEUS_SERVER_NAME": "p", "LEANFLEET_PROMETHEUS_INSECURE": "true", "LEANFLEET_PROMETHEUS_MATCHERS": "a=\"b\"",
		"LEANFLEET_PROMETHEUS_HOST_LABEL": "host", "LEANFLEET_PROMETHEUS_STEP": "15s", "LEANFLEET_PROMETHEUS_TIMEOUT": "30s", "LEANFLEET_PROMETHEUS_ALLOW_PARTIAL": "true", "LEANFLEET_PROMETHEUS_QUERIES_ONLY": "true",
	}
	for _, k := range Keys() {
		if _, ok := env[k.Variable]; k.Variable != "" && !ok {
			t.Errorf("variable %s is not tested", k.Variable)
		}
	}
	got := Default()
	if err := ApplyEnv(got, func(name string) (string, bool) { v, ok := env[name]; return v, ok }); err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Data, want.TimeZone, want.Output, want.Limit, want.Retention = "/d", "Asia/Tokyo", OutputJSON, 7, Duration(2*day)
	want.Import = Import{Duration(time.Minute), StampEnd, true, Duration(5 * time.Minute), 3.5, 1 << 30}
	want.Statistics.Over = OverHosts
	want.Prices.WarnAge, want.Prices.CAFile = Duration(30*day), "ca.pem"
	want.Prices.AWS = AWSPrices{true, "https://a", "https://b", "https://c"}
	want.Rightsizing.Confidence, want.Rightsizing.MaxRisk, want.Rightsizing.MinSavings = "0.9", "10%", "5%"
	want.Rightsizing.MinMonthlySavings, want.Rightsizing.Burstable, want.Rightsizing.AllowARM = "3", BurstableAllow, true
	want.Collect.Interval, want.Collect.Root, want.Collect.MaxGroups = Duration(15*time.Second), "/measured", 5
	want.Prometheus.URL, want.Prometheus.Schema, want.Prometheus.Username, want.Prometheus.PasswordFile = "http://p:9090", SchemaOTel, "u", "/pw"
	want.Prometheus.CAFile, want.Prometheus.CertFile, want.Prometheus.KeyFile, want.Prometheus.ServerName = "/ca", "/cert", "/key", "p"
	want.Prometheus.Insecure, want.Prometheus.Matchers, want.Prometheus.HostLabel = true, `a="b"`, "host"
	want.Prometheus.Step, want.Prometheus.Timeout, want.Prometheus.AllowPartial, want.Prometheus.QueriesOnly = Duration(15*time.Second), Duration(30*time.Second), true, true
	want.Prices.Azure, want.Prices.GCP = AzurePrices{"https://d", "s-1"}, GCPPrices{"https://e", "https://f", "p-1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name := range env {
		err := ApplyEnv(Default(), func(n string) (string, bool) { return "~\t", n == name })
		var all *Errors
		if !errors.As(err, &all) || len(all.Problems) != 1 || all.Problems[0].Path != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDirectories(t *testing.T) {
	env := func(pairs ...string) Env {
		return func(name string) (string, bool) {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1], true
				}
			}
			return "", false
		}
	}
	for _, c := range []struct {
		goos string
		env  Env
		want string
	}{
		{"linux", env("HOME", "/h"), filepath.Join("/h", ".local")},
		{"linux", env("HOME", "/h", "XDG_DATA_HOME", "/x"), "/x"},
		{"linux", env("HOME", "/h", "XDG_DATA_HOME", "relative"), filepath.Join("/h", ".local")},
		{"linux", env(), ""},
		{"darwin", env("HOME", "/h"), filepath.Join("/h", ".local")},
		{"windows", env("HOME", "/h", "LocalAppData", `C:\a`), `C:\a`},
	} {
		if got := userDirectory(c.env, c.goos, "XDG_DATA_HOME", ".local", "LocalAppData"); got != c.want {
			t.Errorf("%s: %q, want %q", c.goos, got, c.want)
		}
	}
	if got, err := Default().DataDirectory(env("HOME", "/h")); err != nil || got != filepath.Join("/h", ".local", "share", "leanfleet") {
		t.Errorf("default data directory: %q, %v", got, err)
	}
	if got, err := (&Config{Data: "x"}).DataDirectory(env()); err != nil || got != "x" {
		t.Errorf("given data directory: %q, %v", got, err)
	}
	if got, err := Default().DataDirectory(env()); err == nil {
		t.Errorf("no home: %q", got)
	}
	if got := DefaultFile(env()); got != "" {
		t.Errorf("no home: %q", got)
	}
}

func TestDefaultIsValid(t *testing.T) {
	validate(Default(), func(path, message string) { t.Errorf("default of %s: %s", path, message) })
	if !reflect.DeepEqual(mustParse(t, ""), Default()) || !reflect.DeepEqual(mustParse(t, "{}"), Default()) {
		t.Error("an empty document is not Default()")
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/valid/*", "testdata/invalid/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f", data, testEnv)
		if err != nil {
			var all *Errors
			if !errors.As(err, &all) || len(all.Problems) == 0 || c != nil {
				t.Fatalf("not a list of mistakes: %v, %v", c, err)
			}
			return
		}
		text, err := Marshal(c, true)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("again", text, testEnv)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Fatalf("(-first +again):\n%s\n%s", diff, text)
		}
	})
}
