package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/internal/pricefile"
)

// TestUpdateInterruptedMidway: whoever interrupts an update in the middle of a
// list keeps the last good prices, to the byte, and is told so.
func TestUpdateInterruptedMidway(t *testing.T) {
	c, fake := newCommand(t), newAWSFake(t)
	c.env["LEANFLEET_PRICES_AWS_URL"] = fake.URL + "/"
	fake.prices["m5.large"] = "0.0900000000"
	c.ok("prices", "update", "--region", "us-east-1", "-q")
	before, err := os.ReadFile(filepath.Join(c.dir, pricefile.Name))
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	fake.prices["m5.large"], fake.hang = "0.9900000000", interrupt
	_, errs, code := c.runOn(ctx, 0, "prices", "update", "--region", "us-east-1")
	if code != exitFailed || !strings.Contains(errs, "interrupted; nothing was left half done") {
		t.Errorf("exit %d\n%s", code, errs)
	}
	after, err := os.ReadFile(filepath.Join(c.dir, pricefile.Name))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the price book changed: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(c.dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	fake.mu.Lock()
	fake.hang = nil
	fake.mu.Unlock()
	if out := c.ok("prices", "show", "--region", "us-east-1", "--type", "m5.large", "--os", "linux", "-o", "csv", "--columns", "purchase,price_per_hour", "--limit", "1"); !strings.Contains(out, "on_demand,0.09\n") {
		t.Errorf("%s", out)
	}
	// And the next update is an update like any other.
	c.ok("prices", "update", "--region", "us-east-1", "-q")
}

// TestUpdateWithoutNetwork: no network is an error with what stays, and prices
// still work, with their age.
func TestUpdateWithoutNetwork(t *testing.T) {
	t.Parallel() // it waits between attempts
	c := newCommand(t)
	c.env["LEANFLEET_PRICES_AWS_URL"] = "http://127.0.0.1:1/"
	out, errs, code := c.run("prices", "update", "--region", "us-east-1")
	if code != exitFailed || !strings.Contains(out, "failed") || !strings.Contains(errs, "connection refused") || !strings.Contains(errs, "The last good prices stay") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	c.now = time.Date(2026, 10, 19, 0, 0, 0, 0, time.UTC)
	out, errs, code = c.run("prices", "show", "--region", "us-east-1", "--type", "m5.large", "-o", "csv", "--columns", "price_per_hour,layer,source")
	if code != 0 || out != "price_per_hour,layer,source\n0.096,embedded,embedded catalogue\n" || !strings.Contains(errs, "warning: prices of aws us-east-1 are up to 91 days old (the embedded catalogue, 2026-07-20)") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

// TestUpdateProgress: on a terminal there is a line that moves and a line for
// each region, in a pipe the latter alone, and with --quiet nothing.
func TestUpdateProgress(t *testing.T) {
	c, fake := newCommand(t), newAWSFake(t)
	c.env["LEANFLEET_PRICES_AWS_URL"] = fake.URL + "/"
	fake.prices["m5.large"] = "0.0900000000"
	const done = "aws us-east-1 (1 of 1): 6 read, "
	update := []string{"prices", "update", "--region", "us-east-1"}
	if _, errs, _ := c.runOn(t.Context(), 80, update...); !strings.Contains(errs, done) {
		t.Errorf("on a terminal: %q", errs)
	}
	out, errs, _ := c.runOn(t.Context(), 0, update...)
	if lines := strings.Split(strings.TrimSpace(errs), "\n"); len(lines) != 1 || !strings.HasPrefix(lines[0], done) || strings.ContainsAny(errs+out, "\r\x1b") {
		t.Errorf("in a pipe: %q, %q", errs, out)
	}
	if _, errs, _ := c.runOn(t.Context(), 0, append(update, "-q")...); errs != "" {
		t.Errorf("quiet: %q", errs)
	}
}

// TestUpdatesAtOnce: two updates at once both end well, and each finds what the
// other wrote.
func TestUpdatesAtOnce(t *testing.T) {
	c, fake := newCommand(t), newAWSFake(t)
	c.env["LEANFLEET_PRICES_AWS_URL"] = fake.URL + "/"
	fake.prices["m5.large"] = "0.0900000000"
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, errs, code := c.run("prices", "update", "--region", "us-east-1", "-q"); code != 0 {
				t.Errorf("exit %d: %s", code, errs)
			}
		})
	}
	wg.Wait()
	if out := c.ok("prices", "storage", "--region", "us-east-1", "-o", "csv", "--columns", "disk_type,price_per_gib_month"); !strings.HasSuffix(out, "\ngp3,0.08\n") {
		t.Errorf("%s", out)
	}
}

// TestPricesBetweenSites: prices go from a site with network to one without;
// a damaged file is named and takes nothing away.
func TestPricesBetweenSites(t *testing.T) {
	here, there, fake := newCommand(t), newCommand(t), newAWSFake(t)
	here.env["LEANFLEET_PRICES_AWS_URL"], there.env["LEANFLEET_PRICES_AWS_URL"] = fake.URL+"/", "http://127.0.0.1:1/"
	fake.prices["m5.large"] = "0.0900000000"
	file := filepath.Join(t.TempDir(), "prices.export")
	carry := func(outcome string) {
		t.Helper()
		here.ok("prices", "update", "--region", "us-east-1", "-q")
		here.ok("prices", "export", file)
		if out := there.ok("prices", "import", file, "-o", "csv", "--columns", "outcome,regions"); out != "outcome,regions\n"+outcome+",1\n" {
			t.Errorf("import: %s, want %s", out, outcome)
		}
	}
	price := func(want string) {
		t.Helper()
		out := there.ok("prices", "show", "--region", "us-east-1", "--type", "m5.large", "--os", "linux", "-o", "csv", "--columns", "price_per_hour", "--limit", "1")
		if out != "price_per_hour\n"+want+"\n" {
			t.Errorf("there: %s, want %s", out, want)
		}
	}
	carry("replaced")
	price("0.09")
	here.now = here.now.AddDate(0, 0, 1)
	fake.prices["m5.large"] = "0.0950000000"
	carry("replaced")
	price("0.095")
	if out := there.ok("prices", "import", file, "-o", "csv", "--columns", "outcome"); out != "outcome\nunchanged\n" {
		t.Errorf("twice: %s", out)
	}
	// Disks and addresses came along.
	if out := there.ok("prices", "storage", "--region", "us-east-1", "-o", "csv", "--columns", "disk_type,price_per_gib_month"); !strings.HasSuffix(out, "\ngp3,0.08\n") {
		t.Errorf("disks there: %s", out)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(there.dir, pricefile.Name))
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(whole)
	bad[len(bad)/2] ^= 1
	for name, data := range map[string][]byte{"torn.export": whole[:len(whole)*2/3], "flipped.export": bad, "empty.export": {}, "other.export": []byte("date,from,to\n")} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if out, errs, code := there.run("prices", "import", path); code != exitFailed || out != "" || !strings.Contains(errs, "import prices: "+name+": ") || !strings.Contains(errs, "damaged price book") {
			t.Errorf("%s: exit %d, %s%s", name, code, errs, out)
		}
	}
	after, err := os.ReadFile(filepath.Join(there.dir, pricefile.Name))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("a damaged file changed the prices: %v", err)
	}
	price("0.095")
	// A file that cannot be written is named, and none is left half written.
	none := filepath.Join(t.TempDir(), "none", "x.export")
	if _, errs, code := here.run("prices", "export", none); code != exitFailed || !strings.Contains(errs, none) && !strings.Contains(errs, filepath.Dir(none)) {
		t.Errorf("exit %d, %s", code, errs)
	}
	// A damaged price book of one's own is named and not written over.
	book := filepath.Join(there.dir, pricefile.Name)
	if err := os.WriteFile(book, bad, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := there.run("prices", "import", file); code != exitFailed || !strings.Contains(errs, "import prices into "+book+": ") || !strings.Contains(errs, "move that file away and import again") {
		t.Errorf("over a damaged book: exit %d, %s", code, errs)
	}
	if data, err := os.ReadFile(book); err != nil || !bytes.Equal(data, bad) {
		t.Errorf("a damaged book was written over: %v", err)
	}
}
