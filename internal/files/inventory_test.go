package files

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"

	"pgregory.net/rapid"
)

func date(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestReadInventory(t *testing.T) {
	text := "\xef\xbb\xbf" + `host,name,provider,account,region,zone,instance_type,vcpus,memory_bytes,arch,os,state,purchase,owned_by,disks,public_addresses,valid_from,valid_to,tag_dept,tag_Cost Center
i-1, web-1 ,aws,123,us-east-1,us-east-1a,m5.large,2,8GiB,x86_64,linux,Running,on-demand,asg-1,gp3:100; gp3:500.5,1,2026-01-01,2026-01-31,eng, a b 
i-2,-,,,,,,,-,,-,unknown,,,none,0,2026-01-01T08:00:00+02:00,,\-,-
i-3,,,,,,,,17179869184,,,,,,-,-,,,,
`
	one, none := 1, 0
	want := []fleet.Statement{
		{Record: fleet.Record{
			Host: "i-1", Name: "web-1", Provider: "aws", Account: "123", Region: "us-east-1", Zone: "us-east-1a", InstanceType: "m5.large",
			Capacity: fleet.Capacity{VCPUs: 2, MemoryBytes: 8 << 30}, Arch: "x86_64", OS: "linux", State: fleet.StateRunning, Purchase: fleet.PurchaseOnDemand,
			OwnedBy: "asg-1", Disks: []fleet.Disk{{Type: "gp3", GiB: 100}, {Type: "gp3", GiB: 500.5}}, Addresses: &one,
			From: date("2026-01-01T00:00:00Z"), To: date("2026-02-01T00:00:00Z"), Tags: fleet.Tags{"dept": "eng", "Cost Center": " a b "},
		}},
		{
			Record: fleet.Record{Host: "i-2", Disks: []fleet.Disk{}, Addresses: &none, From: date("2026-01-01T06:00:00Z"), Tags: fleet.Tags{"dept": "-"}},
			Clear:  []string{"name", "memory_bytes", "os", "state", "tag_Cost Center"},
		},
		{Record: fleet.Record{Host: "i-3", Capacity: fleet.Capacity{MemoryBytes: 16 << 30}}, Clear: []string{"disks", "public_addresses"}},
	}
	for name, data := range map[string][]byte{"plain": []byte(text), "gzip": gzipped(t, []byte(text)), "zstd": zstded(t, []byte(text))} {
		calls := 0
		got, err := ReadInventory(t.Context(), write(t, "inv", data), InventoryOptions{Progress: func(read, total int64) {
			if calls++; read != total {
				t.Errorf("progress %d of %d", read, total)
			}
		}})
		if err != nil || !reflect.DeepEqual(got, want) || calls == 0 {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", name, err, got, want)
		}
	}
	got, err := ReadInventory(t.Context(), "-", InventoryOptions{Stdin: strings.NewReader(text)})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("standard input: %v, %+v", err, got)
	}
}

func TestReadInventoryDatesInZone(t *testing.T) {
	zone := time.FixedZone("IST", 5*3600+1800)
	got, err := ReadInventory(t.Context(), write(t, "inv", []byte("host,valid_from,valid_to\na,2026-01-01,2026-01-01\n")), InventoryOptions{Location: zone})
	if err != nil || !got[0].From.Equal(date("2025-12-31T18:30:00Z")) || !got[0].To.Equal(date("2026-01-01T18:30:00Z")) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestReadInventoryErrors(t *testing.T) {
	many := "host,vcpus\n" + strings.Repeat("a,x\n", 30)
	manyHeaders := "host" + strings.Repeat(",zzzzzz", 30) + "\n"
	tests := []struct{ name, text, want string }{
		{"empty", "", "inv.csv: the file is empty: its first line must name the column host and others"},
		{"no host", "name,region\n", `inv.csv:1: there is no column host: the header is "name,region"`},
		{"semicolons", "name;region\n", `inv.csv:1: column 1 (name;region): unknown column "name;region" (tags are columns named tag_KEY)`},
		{
			"all mistakes of a header", "host,regin,tag_,zone,zone,\xff\n", `inv.csv:1: column 2 (regin): unknown column "regin"; did you mean "region"? (tags are columns named tag_KEY)
inv.csv:1: column 3 (tag_): unknown column "tag_" (tags are columns named tag_KEY)
inv.csv:1: column 5 (zone): column 4 has the same name
inv.csv:1: column 6 (` + "\xff" + `): the header is not UTF-8 text`,
		},
		{"header quote", `host,na"me` + "\n", `inv.csv:1: column 2: a quote (") in the middle of an unquoted field`},
		{
			"all mistakes of the rows", "host,vcpus,memory_bytes,state,purchase,disks,public_addresses,valid_from,valid_to,tag_a\n" +
				",0,16G,on,cheap,gp3,-1,yesterday,2026-01-01T00:00:00,\xff\n" +
				"-,NaN,0,,,gp3:0,x,-,2026-02-30,\n" +
				"b\n" +
				"c,,1e300GiB,,,:5,70000,2026-01-31,2026-01-30,\n",
			`inv.csv:2: column 1 (host): the host is empty
inv.csv:2: column 2 (vcpus): "0" is not a number of virtual CPUs: use a number above 0, or - when it is unknown
inv.csv:2: column 3 (memory_bytes): "16G" is not a size: use bytes, or a unit such as 512MiB or 16GiB (GB is a thousand million)
inv.csv:2: column 4 (state): unknown state "on": use running, stopped, terminated or unknown
inv.csv:2: column 5 (purchase): unknown purchase option "cheap": use on_demand, spot, reserved or unknown
inv.csv:2: column 6 (disks): "gp3" is not a disk: use TYPE:GIB such as gp3:100, semicolons between disks, or none
inv.csv:2: column 7 (public_addresses): "-1" is not a number of public addresses: use 0, 1, 2 and so on
inv.csv:2: column 8 (valid_from): "yesterday" is not a time: use a date (2026-01-31) or RFC 3339 (2026-01-31T08:00:00Z)
inv.csv:2: column 9 (valid_to): "2026-01-01T00:00:00" has no time zone: write 2026-01-01T00:00:00Z for UTC, or add an offset such as +05:30
inv.csv:2: column 10 (tag_a): "\xff" is not UTF-8 text
inv.csv:3: column 1 (host): - clears a value, and this one cannot be cleared
inv.csv:3: column 2 (vcpus): "NaN" is not a number of virtual CPUs: use a number above 0, or - when it is unknown
inv.csv:3: column 3 (memory_bytes): "0" is not a size: use bytes, or a unit such as 512MiB or 16GiB (GB is a thousand million)
inv.csv:3: column 6 (disks): "gp3:0" is not a disk: use TYPE:GIB such as gp3:100, semicolons between disks, or none
inv.csv:3: column 7 (public_addresses): "x" is not a number of public addresses: use 0, 1, 2 and so on
inv.csv:3: column 8 (valid_from): - clears a value, and this one cannot be cleared
inv.csv:3: column 9 (valid_to): "2026-02-30" is not a time: use a date (2026-01-31) or RFC 3339 (2026-01-31T08:00:00Z)
inv.csv:4: column 1 (host): 1 column where the header has 10
inv.csv:5: column 3 (memory_bytes): "1e300GiB" is not a size: use bytes, or a unit such as 512MiB or 16GiB (GB is a thousand million)
inv.csv:5: column 6 (disks): ":5" is not a disk: use TYPE:GIB such as gp3:100, semicolons between disks, or none
inv.csv: the first 20 mistakes are shown`,
		},
		{"twenty", many, strings.Join(append(lines(2, 21, `inv.csv:%d: column 2 (vcpus): "x" is not a number of virtual CPUs: use a number above 0, or - when it is unknown`), "inv.csv: the first 20 mistakes are shown"), "\n")},
		{"twenty headers", manyHeaders, strings.Join(lines(2, 21, `inv.csv:1: column %d (zzzzzz): unknown column "zzzzzz" (tags are columns named tag_KEY)`), "\n")},
		{"mistake, then no further row", "host,vcpus\na,x\n\"b,1\n", `inv.csv:2: column 2 (vcpus): "x" is not a number of virtual CPUs: use a number above 0, or - when it is unknown
inv.csv:3: column 1: a quote (") that is never closed`},
		{"empty validity", "host,valid_from,valid_to\na,2026-01-31,2026-01-30\n", `inv.csv:2: column 3 (valid_to): host a is valid to 2026-01-31T00:00:00Z, which is not after its start, 2026-01-31T00:00:00Z`},
		{"two values", "host,region,zone\na,r1,\nb,r1,\na,r2,z\n", `inv.csv:4: column 2 (region): host a has another value for the same time on line 2`},
		{"value and cleared", "host,tag_x\na,v\na,-\n", `inv.csv:3: column 2 (tag_x): host a has another value for the same time on line 2`},
		{"overlap", "host,region,valid_from,valid_to\na,r2,2026-02-01,\na,r1,2026-01-01,2026-02-02\n", `inv.csv:3: column 2 (region): host a has another value for the same time on line 2`},
		{"overlap over one between", "host,region,valid_from,valid_to\na,r1,2026-01-01,2026-12-31\na,,2026-02-01,2026-02-02\na,r2,2026-03-01,\n", `inv.csv:4: column 2 (region): host a has another value for the same time on line 2`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "inv.csv", []byte(tt.text))
			list, err := ReadInventory(t.Context(), path, InventoryOptions{})
			fails(t, err, path, tt.want)
			if list != nil {
				t.Errorf("statements beside an error: %v", list)
			}
		})
	}
	if _, err := ReadInventory(t.Context(), t.TempDir(), InventoryOptions{}); err == nil {
		t.Error("a directory is read")
	}
	path := write(t, "inv.csv.gz", gzipped(t, []byte("host\na\n"))[:12])
	_, err := ReadInventory(t.Context(), path, InventoryOptions{})
	fails(t, err, path, "inv.csv.gz: the gzip data ends early, the file is truncated: unexpected EOF")
}

func lines(from, to int, format string) []string {
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, fmt.Sprintf(format, i))
	}
	return out
}

// Rows that follow one another, repeat one another or add to one another do not
// contradict; those of one host come by time, hosts as they stand in the file.
func TestReadInventoryOrder(t *testing.T) {
	text := `host,region,zone,valid_from,valid_to
b,r3,,2026-03-01,
a,r1,,,
b,r1,,,2026-01-31
a,,z1,,
b,r2,,2026-02-01,2026-02-28
a,r1,,,
c,r1,,2026-01-01,
c,r2,,2026-02-01,
`
	list, err := ReadInventory(t.Context(), write(t, "inv.csv", []byte(text)), InventoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range list {
		got = append(got, fmt.Sprintf("%s %s%s %s", s.Host, s.Region, s.Zone, s.From.Format(time.DateOnly)))
	}
	same(t, got, []string{"b r1 0001-01-01", "b r2 2026-02-01", "b r3 2026-03-01", "a r1 0001-01-01", "a z1 0001-01-01", "c r1 2026-01-01", "c r2 2026-02-01"})
}

func TestParseBytes(t *testing.T) {
	f := func(text string, want int64) {
		t.Helper()
		got, err := parseBytes(text)
		if (err != nil) != (want == 0) || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	f("1", 1)
	f("17179869184", 1<<34)
	f("16GiB", 1<<34)
	f("16 gib", 1<<34)
	f("0.5GiB", 1<<29)
	f("2KiB", 2048)
	f("3MiB", 3<<20)
	f("1TiB", 1<<40)
	f("1kB", 1000)
	f("1MB", 1e6)
	f("16GB", 16e9)
	f("1TB", 1e12)
	f("10B", 10)
	for _, bad := range []string{"", "GiB", "16G", "16Gi", "-1", "0", "NaN", "Inf", "1e300", "99999TiB", "1,5GiB"} {
		f(bad, 0)
	}
}

func TestDisks(t *testing.T) {
	f := func(text string, want []fleet.Disk) {
		t.Helper()
		got, err := parseDisks(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
		if again, err := parseDisks(formatDisks(got)); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%q is written as %q and read as %v, %v", text, formatDisks(got), again, err)
		}
	}
	f("gp3:100", []fleet.Disk{{Type: "gp3", GiB: 100}})
	f("gp3:100;gp3:500", []fleet.Disk{{Type: "gp3", GiB: 100}, {Type: "gp3", GiB: 500}})
	f(" pd:ssd : 0.5 ", []fleet.Disk{{Type: "pd:ssd", GiB: 0.5}})
	f("None", []fleet.Disk{})
	for _, bad := range []string{"gp3", "gp3:", ":5", " :5", "gp3:x", "gp3:-1", "gp3:NaN", "gp3:Inf", "gp3:1;", ";", "gp3:1e10"} {
		if disks, err := parseDisks(bad); err == nil {
			t.Errorf("%q is read as %v", bad, disks)
		}
	}
}

func FuzzParseDisks(f *testing.F) {
	for _, s := range []string{"gp3:100;gp3:500", "none", ":1", "a:b:1", "gp3:1e3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		disks, err := parseDisks(s)
		if err != nil {
			return
		}
		again, err := parseDisks(formatDisks(disks))
		if err != nil || !reflect.DeepEqual(again, disks) {
			t.Errorf("%q is %v, written as %q and read as %v, %v", s, disks, formatDisks(disks), again, err)
		}
	})
}

// drawRecords draws the timelines of some hosts.
func drawRecords(t *rapid.T) []fleet.Record {
	// A value is what a cell holds: no space around it, unless it is a tag's.
	word := rapid.StringMatching(`([a-zA-Z0-9,;"'\\é-]([a-z ]*[a-z-])?)?`)
	var list []fleet.Record
	names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z"/,-]{0,6}`), 0, 4, rapid.ID[string]).Draw(t, "hosts")
	for _, host := range names {
		at := time.Time{}
		n := rapid.IntRange(1, 3).Draw(t, "records")
		for i := range n {
			r := fleet.Record{
				Host: fleet.HostID(host), Name: word.Draw(t, "name"), From: at, Provider: word.Draw(t, "provider"), Account: word.Draw(t, "account"),
				Region: word.Draw(t, "region"), Zone: word.Draw(t, "zone"), InstanceType: word.Draw(t, "type"), OS: word.Draw(t, "os"), Arch: word.Draw(t, "arch"), OwnedBy: word.Draw(t, "owner"),
				State:    rapid.SampledFrom([]fleet.State{"", fleet.StateRunning, fleet.StateStopped}).Draw(t, "state"),
				Purchase: rapid.SampledFrom([]fleet.PurchaseOption{"", fleet.PurchaseSpot, fleet.PurchaseOnDemand}).Draw(t, "purchase"),
				Capacity: fleet.Capacity{VCPUs: float64(rapid.IntRange(0, 800).Draw(t, "vcpus")) / 100, MemoryBytes: rapid.Int64Range(0, 1<<44).Draw(t, "memory")},
			}
			if at = date("2026-01-01T00:00:00Z").Add(time.Duration(i*1e9) + time.Duration(rapid.IntRange(0, 999).Draw(t, "ms"))*time.Millisecond); i < n-1 {
				r.To = at
			}
			if rapid.Bool().Draw(t, "addressed") {
				a := rapid.IntRange(0, 9).Draw(t, "addresses")
				r.Addresses = &a
			}
			if rapid.Bool().Draw(t, "disked") {
				r.Disks = []fleet.Disk{}
				for range rapid.IntRange(0, 2).Draw(t, "disks") {
					r.Disks = append(r.Disks, fleet.Disk{Type: rapid.SampledFrom([]string{"gp3", "pd:ssd"}).Draw(t, "disk"), GiB: rapid.Float64Range(0.1, 1e6).Draw(t, "gib")})
				}
			}
			for key, value := range rapid.MapOf(rapid.StringMatching(`[a-zA-Z ,"-]{1,4}`), rapid.StringMatching(`[a-z ,"\\\n-]{1,4}`)).Draw(t, "tags") {
				if r.Tags == nil {
					r.Tags = fleet.Tags{}
				}
				r.Tags[key] = value
			}
			if r.Name == string(r.Host) {
				r.Name = "" // is not written, see TestNameThatIsTheHost
			}
			list = append(list, r)
		}
	}
	return list
}

// TestNameThatIsTheHost: a name that is the host's id is how a host without a
// name is called, and stays unsaid.
func TestNameThatIsTheHost(t *testing.T) {
	var out bytes.Buffer
	if err := WriteInventory(&out, []fleet.Record{{Host: "web-1", Name: "web-1"}, {Host: "i-1", Name: "web-2"}}); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.Contains(s, "\nweb-1,,") || !strings.Contains(s, "\ni-1,web-2,") {
		t.Errorf("written as %q", s)
	}
}

func TestInventoryRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		records := drawRecords(rt)
		var out bytes.Buffer
		if err := WriteInventory(&out, records); err != nil {
			rt.Fatal(err)
		}
		list, err := ReadInventory(t.Context(), write(t, "inv.csv", out.Bytes()), InventoryOptions{})
		if err != nil {
			rt.Fatalf("%v\n%s", err, out.String())
		}
		if len(list) != len(records) {
			rt.Fatalf("%d records, %d statements\n%s", len(records), len(list), out.String())
		}
		for i := range list {
			if !reflect.DeepEqual(list[i], fleet.Statement{Record: records[i]}) {
				rt.Fatalf("wrote %+v\nread  %+v\n%s", records[i], list[i], out.String())
			}
		}
	})
}

func TestWriteInventory(t *testing.T) {
	var out bytes.Buffer
	err := WriteInventory(&out, []fleet.Record{
		{Host: "a", Name: "web, 1", Capacity: fleet.Capacity{VCPUs: 2, MemoryBytes: 1 << 30}, CapacityFrom: "catalogue", Tags: fleet.Tags{"b": "1", "a": "-", "e": ""}},
		{Host: "b", Capacity: fleet.Capacity{VCPUs: 0.5, MemoryBytes: 1 << 30}, CapacityFrom: "inventory", Disks: []fleet.Disk{}},
	})
	want := `host,name,provider,account,region,zone,instance_type,vcpus,memory_bytes,arch,os,state,purchase,owned_by,disks,public_addresses,valid_from,valid_to,tag_a,tag_b
a,"web, 1",,,,,,,,,,,,,,,,,\-,1
b,,,,,,,0.5,1073741824,,,,,,none,,,,,
`
	if err != nil || out.String() != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, out.String(), want)
	}
	broken := errors.New("no space left")
	if err := WriteInventory(full{broken}, nil); !errors.Is(err, broken) {
		t.Errorf("a full disk: %v", err)
	}
	if err := WriteInventory(full{broken}, make([]fleet.Record, 1)); !errors.Is(err, broken) {
		t.Errorf("a full disk: %v", err)
	}
}

func FuzzReadInventory(f *testing.F) {
	f.Add([]byte("host,region,valid_from,valid_to,tag_a\na,r1,2026-01-01,2026-01-31,x\na,r2,2026-02-01,,-\n"))
	f.Add([]byte("host,vcpus,memory_bytes,disks,state,purchase,public_addresses\na,2,16GiB,gp3:1;gp3:2,running,spot,1\nb,-,-,none,unknown,-,-\n"))
	f.Add([]byte("host,tag_\\-\n\\-,\\\\-\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := ReadInventory(t.Context(), "-", InventoryOptions{Stdin: bytes.NewReader(data)})
		if err != nil {
			if list != nil || !strings.Contains(err.Error(), "standard input") {
				t.Fatalf("%v, %v", list, err)
			}
			return
		}
		// What is read can be written, and is then read as the same.
		var records []fleet.Record
		for _, s := range list {
			if s.Host == "" {
				t.Fatal("a statement without a host")
			}
			if len(s.Clear) == 0 {
				records = append(records, s.Record)
			}
		}
		var out bytes.Buffer
		if err := WriteInventory(&out, records); err != nil {
			t.Fatal(err)
		}
		again, err := ReadInventory(t.Context(), "-", InventoryOptions{Stdin: bytes.NewReader(out.Bytes())})
		if err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		var back []fleet.Record
		for _, s := range again {
			back = append(back, s.Record)
		}
		if !slices.EqualFunc(back, records, func(a, b fleet.Record) bool { return reflect.DeepEqual(a, b) }) {
			t.Fatalf("read %+v, written and read %+v", records, back)
		}
	})
}

// TestInferredStatesAreNotExported: what was concluded is not written as if
// somebody had stated it.
func TestInferredStatesAreNotExported(t *testing.T) {
	var b strings.Builder
	records := []fleet.Record{{Host: "a", State: fleet.StateStopped, Inferred: true}, {Host: "b", State: fleet.StateStopped}}
	if err := WriteInventory(&b, records); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "stopped"); n != 1 {
		t.Errorf("%d states in\n%s", n, b.String())
	}
}
