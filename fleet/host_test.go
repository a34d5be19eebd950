package fleet_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// fullRecord has every field set.
func fullRecord() fleet.Record {
	two := 2
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return fleet.Record{
		Host: "aws/1/i-1", Name: "web-1", From: day, To: day.AddDate(0, 1, 0), Provider: "aws", Account: "1", Region: "eu-1", Zone: "eu-1a",
		InstanceType: "m5.large", OS: "linux", Arch: "amd64", State: fleet.StateRunning, Purchase: fleet.PurchaseSpot,
		Capacity: fleet.Capacity{VCPUs: 2, MemoryBytes: 8 << 30}, CapacityFrom: "catalogue", Disks: []fleet.Disk{{Type: "gp3", GiB: 100}},
		Addresses: &two, OwnedBy: "asg", Tags: fleet.Tags{"dept": "eng", "region": "north", "note": ""}, Origin: fleet.OriginCloud, Inferred: true, Stated: day, Seen: fleet.Window{Start: day, End: day.AddDate(0, 0, 1)},
	}
}

func TestRecordField(t *testing.T) {
	r := fullRecord()
	var bare fleet.Record
	want := map[string]string{
		"host": "aws/1/i-1", "name": "web-1", "provider": "aws", "account": "1", "region": "eu-1", "zone": "eu-1a", "instance_type": "m5.large",
		"os": "linux", "arch": "amd64", "state": "running", "purchase": "spot", "owned_by": "asg",
	}
	for _, key := range fleet.BuiltinKeys() {
		if got, ok := r.Field(key); !ok || got != want[key] {
			t.Errorf("%s is %q, %v; want %q", key, got, ok, want[key])
		}
		if got, ok := bare.Field(key); ok {
			t.Errorf("%s of an unknown host is %q", key, got)
		}
	}
	if len(want) != len(fleet.BuiltinKeys()) {
		t.Error("a built-in key is not tested")
	}
	f := func(key, value string, known bool) {
		t.Helper()
		if got, ok := r.Field(key); got != value || ok != known {
			t.Errorf("%s is %q, %v", key, got, ok)
		}
	}
	f("dept", "eng", true)
	f("tag:dept", "eng", true)
	f("tag:region", "north", true)
	f("note", "", true)
	f("env", "", false)
	f("tag:env", "", false)
	r.Name = ""
	f("name", "aws/1/i-1", true)
}

// TestRecordClone changes all that a clone holds, and finds the record as it was.
func TestRecordClone(t *testing.T) {
	r, was := fullRecord(), fullRecord()
	c := r.Clone()
	if !reflect.DeepEqual(c, was) {
		t.Errorf("the clone is %+v", c)
	}
	v := reflect.ValueOf(r)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not tested", v.Type().Field(i).Name)
		}
	}
	c.Disks[0].GiB = 1
	c.Tags["dept"] = "sales"
	*c.Addresses = 7
	if !reflect.DeepEqual(r, was) {
		t.Errorf("the record became %+v", r)
	}
	var unknown fleet.Record
	none := fleet.Record{Disks: []fleet.Disk{}, Tags: fleet.Tags{}}
	for _, r := range []fleet.Record{unknown, none} { // unknown is not none
		if c := r.Clone(); !reflect.DeepEqual(c, r) {
			t.Errorf("%+v is cloned as %+v", r, c)
		}
	}
}

func TestRecordValidity(t *testing.T) {
	r := fullRecord()
	if w := r.Window(); w.Start != r.From || w.End != r.To {
		t.Errorf("valid in %v", w)
	}
	var always fleet.Record
	for _, x := range []time.Time{r.From.Add(-1), r.From, r.To.Add(-1), r.To, {}} {
		if r.ValidAt(x) != (!x.Before(r.From) && x.Before(r.To)) || !always.ValidAt(x) {
			t.Errorf("validity at %v is wrong", x)
		}
	}
}

func TestOriginRank(t *testing.T) {
	order := []fleet.Origin{"", fleet.OriginSimulated, fleet.OriginImport, fleet.OriginCloud, fleet.OriginSSH, fleet.OriginScrape, fleet.OriginAgent}
	for i, o := range order {
		if o.Rank() != i {
			t.Errorf("%q ranks %d, want %d", o, o.Rank(), i)
		}
	}
	if fleet.Origin("rumour").Rank() != 0 {
		t.Error("an unknown origin is believed")
	}
}

func TestParseStateAndPurchase(t *testing.T) {
	for s, want := range map[string]fleet.State{"": "", "unknown": "", "Running": fleet.StateRunning, "stopped": fleet.StateStopped, "TERMINATED": fleet.StateTerminated} {
		if got, err := fleet.ParseState(s); err != nil || got != want {
			t.Errorf("%q is %q, %v", s, got, err)
		}
	}
	for s, want := range map[string]fleet.PurchaseOption{"": "", "Unknown": "", "on-demand": fleet.PurchaseOnDemand, "ON_DEMAND": fleet.PurchaseOnDemand, "spot": fleet.PurchaseSpot, "reserved": fleet.PurchaseReserved} {
		if got, err := fleet.ParsePurchaseOption(s); err != nil || got != want {
			t.Errorf("%q is %q, %v", s, got, err)
		}
	}
	if got, err := fleet.ParseState("up"); err == nil {
		t.Errorf("up is %q", got)
	}
	if got, err := fleet.ParsePurchaseOption("free"); err == nil {
		t.Errorf("free is %q", got)
	}
}

// TestStatementClone: a clone of a statement shares nothing with it.
func TestStatementClone(t *testing.T) {
	whole := func() fleet.Statement {
		return fleet.Statement{Record: fullRecord(), Clear: []string{"os"}, Aliases: []fleet.Alias{{Kind: fleet.AliasMachine, Key: "m"}}, Inferred: true}
	}
	s := whole()
	c := s.Clone()
	if !reflect.DeepEqual(c, whole()) {
		t.Errorf("the clone is %+v", c)
	}
	c.Clear[0], c.Aliases[0].Key, c.Tags["dept"] = "x", "x", "x"
	if !reflect.DeepEqual(s, whole()) {
		t.Errorf("it changed to %+v", s)
	}
}
