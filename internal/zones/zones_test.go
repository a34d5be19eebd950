package zones

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestChecksum(t *testing.T) {
	sum := sha256.Sum256(archive)
	got := hex.EncodeToString(sum[:])
	if got != checksum {
		t.Errorf("zoneinfo.zip has checksum %s, zones.go states %s", got, checksum)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		"| SHA-256 | `" + got + "` |",
		"| IANA release | " + Version() + " |",
		fmt.Sprintf("| zones | %d |", len(Names())),
	} {
		if !strings.Contains(string(readme), row) {
			t.Errorf("README.md lacks the row %q", row)
		}
	}
}

// TestRules checks offsets that anyone can look up, on both sides of a change.
func TestRules(t *testing.T) {
	for _, c := range []struct{ zone, utc, want string }{
		{"", "2024-07-01T12:00:00Z", "2024-07-01T12:00:00Z"},
		{"UTC", "2024-07-01T12:00:00Z", "2024-07-01T12:00:00Z"},
		{"Europe/Berlin", "2024-03-31T00:59:59Z", "2024-03-31T01:59:59+01:00"},
		{"Europe/Berlin", "2024-03-31T01:00:00Z", "2024-03-31T03:00:00+02:00"},
		{"Asia/Kolkata", "2024-01-01T00:00:00Z", "2024-01-01T05:30:00+05:30"},
		{"Asia/Calcutta", "2024-01-01T00:00:00Z", "2024-01-01T05:30:00+05:30"},
		{"America/New_York", "2024-11-03T05:59:59Z", "2024-11-03T01:59:59-04:00"},
		{"America/New_York", "2024-11-03T06:00:00Z", "2024-11-03T01:00:00-05:00"},
		{"Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T23:59:59-10:00"},
		{"Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T00:00:00+14:00"}, // the day that Samoa skipped
		{"America/Sao_Paulo", "2040-01-15T12:00:00Z", "2040-01-15T09:00:00-03:00"},
		{"Europe/Berlin", "2050-07-01T00:00:00Z", "2050-07-01T02:00:00+02:00"}, // past the table, by its rule
	} {
		location, err := Load(c.zone)
		if err != nil {
			t.Errorf("Load(%q): %v", c.zone, err)
			continue
		}
		utc, err := time.Parse(time.RFC3339, c.utc)
		if err != nil {
			t.Fatal(err)
		}
		if got := utc.In(location).Format(time.RFC3339); got != c.want {
			t.Errorf("%s in %q is %s, want %s", c.utc, c.zone, got, c.want)
		}
	}
}

func TestEveryZoneLoads(t *testing.T) {
	names := Names()
	if len(names) < 590 {
		t.Fatalf("only %d zones", len(names))
	}
	var d Database
	for _, name := range names {
		location, err := d.Load(name)
		if err != nil {
			t.Errorf("Load(%q): %v", name, err)
			continue
		}
		if got := location.String(); got != name {
			t.Errorf("zone %q calls itself %q", name, got)
		}
	}
}

func TestUnknown(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"Europe/Belin", `unknown time zone "Europe/Belin"; did you mean Europe/Berlin?`},
		{"europe/berlin", `unknown time zone "europe/berlin"; did you mean Europe/Berlin?`},
		{"Kolkata", `unknown time zone "Kolkata"; did you mean Asia/Kolkata?`},
		{"new york", `unknown time zone "new york"; did you mean America/New_York?`},
		{"utc", `unknown time zone "utc"; did you mean Etc/UTC or UTC?`},
		{"../../etc/passwd", `unknown time zone "../../etc/passwd"`},
		{"/usr/share/zoneinfo/Europe/Berlin", `unknown time zone "/usr/share/zoneinfo/Europe/Berlin"`},
		{"Atlantis/Capital_City", `unknown time zone "Atlantis/Capital_City"`},
		{"Europe/", `unknown time zone "Europe/"`},
		{"Local", `time zone "Local" means a different zone on every machine; name an IANA zone such as Europe/Berlin, or UTC`},
	} {
		location, err := Load(c.name)
		if err == nil {
			t.Errorf("Load(%q) = %v, want an error", c.name, location)
		} else if !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("Load(%q):\n got %s\nwant %s", c.name, err, c.want)
		}
	}
}

// TestSystemIgnored points ZONEINFO and TZ at data in which Berlin follows
// Tokyo. Go's own loader is fooled by it, which shows that the trap is real;
// Load is not.
func TestSystemIgnored(t *testing.T) {
	zones, err := embedded()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "Europe"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Europe", "Berlin"), zones["Asia/Tokyo"], 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ZONEINFO", dir)
	t.Setenv("TZ", "Asia/Tokyo")
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	fooled, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if got := at.In(fooled).Hour(); got != 9 {
		t.Fatalf("the trap does not work: Go's loader reads hour %d, want 9", got)
	}
	berlin, err := Load("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if got := at.In(berlin).Hour(); got != 1 {
		t.Errorf("Load followed ZONEINFO: hour %d, want 1", got)
	}
}

func TestDatabaseKeeps(t *testing.T) {
	var d Database
	var wg sync.WaitGroup
	got := make([]*time.Location, 8)
	for i := range got {
		wg.Go(func() {
			location, err := d.Load("Asia/Kolkata")
			if err != nil {
				t.Error(err)
			}
			got[i] = location
		})
	}
	wg.Wait()
	for _, location := range got {
		if location == nil || location != got[0] {
			t.Fatalf("different pointers for one zone: %v", got)
		}
	}
	if _, err := d.Load("Asia/Kolkatta"); err == nil {
		t.Error("a Database loads an unknown zone")
	}
}

// TestDamage shows that a damaged archive is an error, not a zone.
func TestDamage(t *testing.T) {
	if _, err := parse(archive[:len(archive)/2]); err == nil {
		t.Error("half an archive parses")
	}
	damaged := bytes.Clone(archive)
	damaged[len(damaged)/3] ^= 0x40
	if _, err := parse(damaged); err == nil {
		t.Error("an archive with a flipped bit parses")
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	if _, err := w.Create("Europe/"); err != nil {
		t.Fatal(err)
	}
	f, err := w.Create("Big/Zone")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, maxZoneBytes+1)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := parse(b.Bytes()); err == nil || !strings.Contains(err.Error(), "Big/Zone") {
		t.Errorf("an entry over the bound: %v", err)
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load("Europe/Berlin"); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleLoad() {
	kolkata, err := Load("Asia/Kolkata")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(time.Date(2024, 1, 31, 20, 0, 0, 0, time.UTC).In(kolkata))
	_, err = Load("Asia/Kolkatta")
	fmt.Println(err)
	// Output:
	// 2024-02-01 01:30:00 +0530 IST
	// unknown time zone "Asia/Kolkatta"; did you mean Asia/Kolkata?
}
