package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/internal/report"
)

// runOn runs a command where somebody looks at a terminal of a width; 0 is no
// terminal.
func (c *command) runOn(ctx context.Context, width int, args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	var out, errs bytes.Buffer
	style := report.Style{Unicode: true, Terminal: width > 0, Width: width}
	a := &app{in: strings.NewReader(""), out: &out, err: &errs, style: style, errStyle: style, now: c.clock(), env: c.lookup()}
	code = a.run(ctx, append(args, "--data", c.dir))
	return out.String(), errs.String(), code
}

// TestNarrowTerminal: tables of prices and costs fit into 80 columns without a
// name or a price being cut; what is left out is named, with its values where
// they are few. Pipes and machines get everything.
func TestNarrowTerminal(t *testing.T) {
	c, fake := newCommand(t), newAWSFake(t)
	c.env["LEANFLEET_PRICES_AWS_URL"] = fake.URL + "/"
	fake.prices["m5.large"] = "0.0900000000"
	c.ok("prices", "update", "--region", "us-east-1", "-q")
	c.ok("simulate", "--hosts", "30", "--days", "31", "--start", "2026-07-01", "--interval", "1h", "-q")
	host := strings.TrimSpace(strings.Split(c.ok("hosts", "-o", "csv", "--columns", "name"), "\n")[1])
	for _, x := range []struct {
		args  string
		whole []string // of names
		note  string
	}{
		{"prices search --vcpu 4 --memory 16GiB --near us-east-1 --limit 20", []string{"Standard_D4ps_v6", "n2d-standard-4", "us-east-1"}, "Left out for want of room: basis (observed), currency (USD), as of (2026-06-18, 2026-07-20)"},
		{"prices show --region us-central1 --type n2-standard-4", []string{"committed_use", "2026-07-20"}, "Left out for want of room: source (embedded catalogue), basis (observed); -o wide has all."},
		{"prices equivalents m5.xlarge --to azure,gcp", []string{"Standard_D4as_v5", "n2d-standard-4"}, "Left out for want of room: basis (observed), currency (USD)"},
		{"prices storage --region us-east-1", []string{"gp3", "aws price list bulk"}, ""},
		{"prices addresses --region us-east-1", []string{"idle", "aws price list bulk"}, ""},
		{"prices update --region us-east-1 -q", []string{"us-east-1"}, "Left out for want of room: unchanged"},
		{"chargeback --period 2026-07 --group-by dept,env", []string{"engineering"}, "Left out for want of room: "},
		{"chargeback --period 2026-07 --group-by dept --lines", []string{"build-staging-019"}, "Left out for want of room: "},
		{"chargeback explain --period 2026-07 --host " + host, []string{"2026-08-01 00:00 UTC"}, "Left out for want of room: as of"},
	} {
		args := strings.Fields(x.args)
		out, errs, code := c.runOn(t.Context(), 80, args...)
		if code != 0 {
			t.Fatalf("%s: exit %d\n%s", x.args, code, errs)
		}
		// Above and below the grid stand sentences, which the terminal wraps.
		inGrid := false
		for _, line := range strings.Split(out, "\n") {
			rule := strings.HasPrefix(line, "──")
			inGrid = (inGrid || rule) && line != "" && !strings.Contains(line, "unknown: ") && !strings.HasSuffix(line, ".") && !strings.HasSuffix(line, "shows all")
			if n := len([]rune(line)); inGrid && n > 80 {
				t.Errorf("%s: a line of %d: %s", x.args, n, line)
			}
		}
		for _, want := range append(x.whole, x.note) {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", x.args, want, out)
			}
		}
		if x.note == "" && strings.Contains(out, "Left out") {
			t.Errorf("%s: something is left out:\n%s", x.args, out)
		}
		for _, wide := range []struct {
			width int
			more  []string
		}{{0, nil}, {300, nil}, {80, []string{"-o", "wide"}}, {80, []string{"-o", "csv"}}, {80, []string{"-o", "json"}}} {
			if wide.more != nil && strings.Contains(x.args, "update") {
				continue
			}
			if out, errs, _ := c.runOn(t.Context(), wide.width, append(args, wide.more...)...); strings.Contains(out+errs, "Left out") {
				if !strings.Contains(x.args, "--limit") || wide.more == nil {
					t.Errorf("%s %v on %d columns: something is left out:\n%s", x.args, wide.more, wide.width, out)
				}
			}
		}
	}
	// Columns that are asked for stay, and are trimmed.
	out, _, _ := c.runOn(t.Context(), 80, "prices", "search", "--vcpu", "4", "--near", "us-east-1", "--columns", "provider,region,instance_type,price_per_hour,currency,as_of,basis,layer")
	if !strings.Contains(out, "basis") || strings.Contains(out, "Left out") {
		t.Errorf("columns that were asked for:\n%s", out)
	}
}

// TestSortedInEveryFormat: --sort-by and --limit do the same in tables, CSV and
// lines of JSON, and are refused where they would do nothing.
func TestSortedInEveryFormat(t *testing.T) {
	c := newCommand(t)
	search := []string{"prices", "search", "--near", "us-east-1", "--vcpu", "4", "--memory", "16GiB", "--provider", "aws", "--max-vcpu", "16", "--sort-by", "-vcpus,instance_type", "--limit", "7", "-q"}
	csv := strings.Split(strings.TrimSpace(c.ok(append(search, "-o", "csv", "--columns", "instance_type")...)), "\n")[1:]
	var lines, table []string
	for line := range strings.Lines(c.ok(append(search, "-o", "jsonl")...)) {
		var x leanfleet.PricedType
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatal(err)
		}
		if *x.VCPUs != 16 {
			t.Errorf("%s has %d vCPUs: it was limited before it was sorted", x.InstanceType, *x.VCPUs)
		}
		lines = append(lines, x.InstanceType)
	}
	for line := range strings.Lines(c.ok(append(search, "--columns", "instance_type")...)) {
		if strings.Contains(line, ".") && !strings.Contains(line, " ") {
			table = append(table, strings.TrimSpace(line))
		}
	}
	if got, want := strings.Join(csv, " "), strings.Join(lines, " "); got != want || strings.Join(table, " ") != want || len(csv) != 7 {
		t.Errorf("CSV %s\nJSON lines %s\ntable %s", got, want, table)
	}
	equivalents := []string{"prices", "equivalents", "m5.xlarge", "--region", "us-east-1", "--to", "azure", "--sort-by", "+full_month", "-q"}
	var last float64
	for line := range strings.Lines(c.ok(append(equivalents, "-o", "jsonl")...)) {
		var x struct {
			FullMonth float64 `json:"full_month"`
			Type      string  `json:"instance_type"`
		}
		if err := json.Unmarshal([]byte(line), &x); err != nil || x.FullMonth < last || !strings.HasPrefix(x.Type, "Standard_") {
			t.Errorf("%s after %g, %v", line, last, err)
		}
		last = x.FullMonth
	}
	if last == 0 {
		t.Error("no equivalents")
	}
	for _, x := range []struct{ args, want string }{
		{"prices search --near us-east-1 --sort-by vcpus -o json", "--sort-by does not go with -o json"},
		{"prices search --near us-east-1 --columns vcpus -o json", "--columns does not go with -o json"},
		{"prices search --near us-east-1 --columns vcpus -o jsonl", "--columns does not go with -o jsonl"},
		{"prices search --near us-east-1 --sort-by prize -o jsonl", "prize"},
		{"prices show --region us-east-1 --type m5.large --limit 1 -o json", "--limit does not go with -o json"},
		{"prices equivalents m5.xlarge --sort-by effort -o json", "--sort-by does not go with -o json"},
		{"prices storage --region us-east-1 --sort-by price_per_gib_month -o json", "--sort-by does not go with -o json"},
		{"prices addresses --region us-east-1 --limit 1 -o json", "--limit does not go with -o json"},
		{"prices update --region us-east-1 --limit 1 -o json", "--limit does not go with -o json"},
	} {
		if _, errs, code := c.run(strings.Fields(x.args)...); code != exitUsage || !strings.Contains(errs, x.want) {
			t.Errorf("%s: exit %d, %s", x.args, code, errs)
		}
	}
	// A limit of the environment is no flag: it limits tables on a terminal only.
	c.env["LEANFLEET_LIMIT"] = "3"
	var r leanfleet.PriceSearchResult
	c.json(&r, "prices", "search", "--near", "us-east-1", "--vcpu", "4")
	if len(r.Types) < 100 {
		t.Errorf("LEANFLEET_LIMIT limits -o json to %d", len(r.Types))
	}
}

// TestManifestThroughUpdates goes from a price API through prices update to a
// report with its manifest, and, after other prices were read, to the same
// bytes.
func TestManifestThroughUpdates(t *testing.T) {
	c, fake := newCommand(t), newAWSFake(t)
	c.env["LEANFLEET_PRICES_AWS_URL"] = fake.URL + "/"
	fake.prices["m5.large"] = "0.0900000000"
	files := t.TempDir()
	inventory, out := filepath.Join(files, "hosts.csv"), filepath.Join(files, "july.csv")
	if err := os.WriteFile(inventory, []byte("host,provider,region,instance_type,os,state,valid_from,disks,public_addresses,tag_dept\nweb-1,aws,us-east-1,m5.large,linux,running,2026-07-01T00:00:00Z,gp3:100,0,eng\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c.ok("import", "inventory", inventory, "--effective", "2026-07-01")
	c.ok("prices", "update", "-q")
	report := []string{"chargeback", "--period", "2026-07", "--group-by", "dept", "--lines", "-q"}
	c.ok(append(report, "--file", out)...)
	first, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	// 744 h at 0.09 and 100 GiB at 0.08.
	if !strings.Contains(string(first), ",66.96,8.00,") {
		t.Errorf("the report:\n%s", first)
	}
	again := func(step string) {
		t.Helper()
		if got := c.ok("chargeback", "--manifest", out+manifestSuffix, "-q"); got != string(first) {
			t.Errorf("%s:\n%s\nfirst:\n%s", step, got, first)
		}
	}
	again("at once")
	for day := 1; day <= 2; day++ {
		c.now = c.now.AddDate(0, 0, day)
		fake.prices["m5.large"] = []string{"", "0.1000000000", "0.2000000000"}[day]
		c.ok("prices", "update", "-q")
		if now := c.ok(append(report, "-o", "csv")...); now == string(first) {
			t.Fatal("newer prices change nothing: the test shows nothing")
		}
		again("after newer prices")
	}
	// The file of the manifest made again is the manifest.
	twice := filepath.Join(files, "again.csv")
	c.ok("chargeback", "--manifest", out+manifestSuffix, "--file", twice, "-q")
	x, err := os.ReadFile(out + manifestSuffix)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(twice + manifestSuffix)
	if err != nil || !bytes.Equal(x, y) {
		t.Errorf("the manifest of the report that was made again differs, %v:\n%s\n%s", err, x, y)
	}
	// Every value of it counts: none can be changed by hand unseen.
	edits := 0
	for line := range strings.Lines(string(x)) {
		key, value, ok := strings.Cut(strings.TrimRight(line, ",\n"), ": ")
		if !ok || value == "{" || value == "[" {
			continue
		}
		edited := key + `: "edited"`
		switch value[0] {
		case 't':
			edited = key + ": false"
		case 'f':
			edited = key + ": true"
		case '"':
		default:
			edited = key + ": 9" + value
		}
		bad := filepath.Join(files, "edited.json")
		text := strings.Replace(string(x), strings.TrimRight(line, ",\n"), edited, 1)
		if err := os.WriteFile(bad, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, errs, code := c.run("chargeback", "--manifest", bad); code != exitFailed || out != "" || !strings.Contains(errs, "read manifest "+bad) {
			t.Errorf("edited %s: exit %d, %s%s", strings.TrimSpace(line), code, errs, out)
		}
		edits++
	}
	if edits < 15 {
		t.Errorf("%d edits of\n%s", edits, x)
	}
}
