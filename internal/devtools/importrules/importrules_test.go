package importrules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestImportRules holds the module against its rules.
func TestImportRules(t *testing.T) {
	g, err := List(t.Context(), "../../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := g[Module+"/internal/devtools/importrules"]; !ok {
		t.Fatalf("the list of %d packages lacks this one", len(g))
	}
	violations, err := Check(g, Module, Rules())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		t.Error(v)
	}
}

// graph makes a graph of lines "package: import import"; a path that starts
// with a capital M is one of the module, one without a dot is of the standard
// library.
func graph(lines ...string) Graph {
	full := func(s string) string { return strings.Replace(s, "M", "example.com/m", 1) }
	g := Graph{}
	add := func(path string, imports []string) {
		g[path] = Package{ImportPath: path, Standard: !strings.Contains(path, "."), Imports: append(g[path].Imports, imports...)}
	}
	for _, l := range lines {
		from, to, _ := strings.Cut(l, ":")
		var imports []string
		for _, s := range strings.Fields(to) {
			imports = append(imports, full(s))
			add(full(s), nil)
		}
		add(full(from), imports)
	}
	return g
}

func violations(t *testing.T, g Graph) []string {
	t.Helper()
	found, err := Check(g, "example.com/m", Rules())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, v := range found {
		out = append(out, v.Rule.Name+": "+strings.ReplaceAll(strings.Join(v.Chain, " -> "), "example.com/m", "M")+v.At)
	}
	return out
}

// TestAllowed is the house as it is meant to be.
func TestAllowed(t *testing.T) {
	got := violations(t, graph(
		"M/fleet: time math/bits M/fleet/internal/x",
		"M/inventory: M/fleet github.com/some/yaml os",
		"M/statistics: M/fleet M/inventory M/internal/zones M/statistics/plot gonum.org/v1/gonum",
		"M/chargeback: M/money M/pricing M/internal/catalog",
		"M/internal/store: M/fleet github.com/parquet-go/parquet-go os M/internal/store/page",
		"M/internal/store/page: M/fleet",
		"M/internal/files: M/fleet M/internal/zones",
		"M/prom/source: M/fleet github.com/prometheus/common M/prom/internal/names",
		"M/prom/query: M/fleet M/prom/internal/names",
		"M/cloud/aws: github.com/aws/aws-sdk-go-v2 M/pricing",
		"M/internal/operation: M/statistics M/chargeback",
		"M: M/internal/operation M/internal/store M/internal/files M/internal/catalog M/internal/report M/statistics",
		"M/internal/report: M/money github.com/jedib0t/go-pretty",
		"M/internal/simulate: M/fleet",
		"M/internal/server: M M/prom/remotewrite M/internal/store",
		"M/internal/agent: M/collect/local M/prom/remotewrite",
		"M/cmd/leanfleet: M M/cloud/aws M/prom/source M/internal/server M/internal/simulate",
		"M/examples/quickstart: M",
		"M/fleettest: M/fleet testing",
		"M/fleettest/script: M/fleettest",
	))
	if len(got) != 0 {
		t.Errorf("violations in a house that has none:\n%s", strings.Join(got, "\n"))
	}
}

func TestViolations(t *testing.T) {
	const (
		pure    = "1 fleet imports the standard library only"
		asks    = "2 questions are pure"
		noun    = "2 nouns know only nouns"
		alone   = "3 ways in and engines stand alone"
		small   = "4 the face carries no cloud and no Prometheus"
		compose = "4 only commands, server and agent compose"
		suites  = "5 only tests import fleettest"
	)
	for _, c := range []struct {
		graph []string
		want  []string
	}{
		{[]string{"M/fleet: time github.com/google/uuid"}, []string{pure + ": M/fleet -> github.com/google/uuid"}},
		{[]string{"M/fleet: M/money"}, []string{pure + ": M/fleet -> M/money"}},
		{[]string{"M/fleet: os"}, []string{pure + ": M/fleet -> os"}},
		{[]string{"M/fleet: net/http"}, []string{pure + ": M/fleet -> net/http"}},
		{[]string{"M/fleet: M/fleet/deep", "M/fleet/deep: os/exec"},
			[]string{pure + ": M/fleet -> M/fleet/deep -> os/exec", pure + ": M/fleet/deep -> os/exec"}},

		{[]string{"M/idle: M/statistics"}, []string{asks + ": M/idle -> M/statistics"}},
		{[]string{"M/idle: M/prom/source"}, []string{asks + ": M/idle -> M/prom/source", compose + ": M/idle -> M/prom/source"}},
		{[]string{"M/idle: M/internal/store"}, []string{asks + ": M/idle -> M/internal/store", compose + ": M/idle -> M/internal/store"}},
		{[]string{"M/idle: M/internal/x", "M/internal/x: M/internal/config"},
			[]string{asks + ": M/idle -> M/internal/x -> M/internal/config"}},
		{[]string{"M/forecast/deep: M"}, []string{asks + ": M/forecast/deep -> M"}},
		{[]string{"M/forecast: github.com/x/y", "github.com/x/y: github.com/aws/aws-sdk-go-v2/ec2"},
			[]string{asks + ": M/forecast -> github.com/x/y -> github.com/aws/aws-sdk-go-v2/ec2"}},
		{[]string{"M/pricing: M/rightsizing"}, []string{noun + ": M/pricing -> M/rightsizing"}},
		{[]string{"M/advice: M/internal/report"}, []string{noun + ": M/advice -> M/internal/report"}},

		{[]string{"M/internal/store: M/internal/files"}, []string{alone + ": M/internal/store -> M/internal/files"}},
		{[]string{"M/cloud/aws: M/cloud/azure"}, []string{alone + ": M/cloud/aws -> M/cloud/azure"}},
		{[]string{"M/collect/ssh: M/idle"}, []string{alone + ": M/collect/ssh -> M/idle"}},
		{[]string{"M/prom/query: M/prom/internal/x", "M/prom/internal/x: M/prom/scrape/sd"}, []string{
			alone + ": M/prom/query -> M/prom/internal/x -> M/prom/scrape/sd",
			compose + ": M/prom/internal/x -> M/prom/scrape/sd"}},

		{[]string{"M: M/internal/x", "M/internal/x: github.com/prometheus/client_golang/prometheus"},
			[]string{small + ": M -> M/internal/x -> github.com/prometheus/client_golang/prometheus"}},
		{[]string{"M: google.golang.org/api"}, []string{small + ": M -> google.golang.org/api"}},
		{[]string{"M/internal/operation: M/collect/local"}, []string{small + ": M/internal/operation -> M/collect/local"}},
		{[]string{"M: M/internal/server"}, []string{small + ": M -> M/internal/server"}},
		{[]string{"M/internal/simulate: M/internal/store"}, []string{compose + ": M/internal/simulate -> M/internal/store"}},

		{[]string{"M/cmd/leanfleet: M/fleettest"}, []string{suites + ": M/cmd/leanfleet -> M/fleettest"}},
		{[]string{"M/internal/store: M/fleettest/script"}, []string{suites + ": M/internal/store -> M/fleettest/script"}},
	} {
		if d := cmp.Diff(c.want, violations(t, graph(c.graph...))); d != "" {
			t.Errorf("%q: %s", c.graph, d)
		}
	}
}

func TestClock(t *testing.T) {
	for _, c := range []struct {
		pkg, source string
		want        []string
	}{
		{"M/idle", "import \"time\"\n\nvar T = time.Unix(0, 0)\n", nil},
		{"M/idle", "var time struct{ Now int }\nvar T = time.Now\n", nil},
		{"M/idle", "import \"time\"\n\nvar T = time.Now()\n", []string{"a.go:5:9 time.Now"}},
		{"M/fleet", "import clock \"time\"\n\nvar T = clock.Now\n", []string{"a.go:5:9 time.Now"}},
		{"M/money", "import . \"time\"\n\nvar T = Since(Unix(0, 0))\n", []string{"a.go:5:9 time.Since"}},
		{"M/internal/store", "import \"time\"\n\nvar T = time.Now()\n", nil},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("package a\n\n"+c.source), 0o600); err != nil {
			t.Fatal(err)
		}
		path := strings.Replace(c.pkg, "M", "example.com/m", 1)
		var want []string
		for _, at := range c.want {
			want = append(want, "2 time is an argument: "+c.pkg+" reads the clock at "+at)
		}
		got := violations(t, Graph{path: {ImportPath: path, Dir: dir, GoFiles: []string{"a.go"}}})
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s %q: %s", c.pkg, c.source, d)
		}
	}
	bad := Graph{"example.com/m/idle": {ImportPath: "example.com/m/idle", Dir: t.TempDir(), GoFiles: []string{"gone.go"}}}
	if _, err := Check(bad, "example.com/m", Rules()); err == nil {
		t.Error("a file that cannot be read is no error")
	}
}

func TestViolationString(t *testing.T) {
	v := Violation{Rule: Rule{Name: "5 no", Why: "because"}, Chain: []string{"a", "b"}}
	if got, want := v.String(), "5 no: a -> b (because)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestListOutsideAModule(t *testing.T) {
	if _, err := List(t.Context(), t.TempDir()); err == nil {
		t.Error("listing a folder without a module is no error")
	}
}
