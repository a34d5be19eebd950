package report

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestValueForPeopleAndMachines(t *testing.T) {
	f := func(v Value, people, machine, json string) {
		t.Helper()
		if got := v.String(); got != people {
			t.Errorf("for people: got %q, want %q", got, people)
		}
		if got := v.machine(); got != machine {
			t.Errorf("for machines: got %q, want %q", got, machine)
		}
		got, err := v.MarshalJSON()
		if err != nil || string(got) != json {
			t.Errorf("JSON: got %s, %v; want %s", got, err, json)
		}
	}
	f(Text("a <b>"), "a <b>", "a <b>", `"a <b>"`)
	f(Integer(-43200000), "-43,200,000", "-43200000", "-43200000")
	f(Number(1234.56789, 1), "1,234.6", "1234.56789", "1234.56789")
	f(Number(1e-9, 2), "0.00", "1e-09", "1e-09")
	f(Number(1e21, 0), "1,000,000,000,000,000,000,000", "1e+21", "1e+21")
	f(Ratio(0.4032), "40.3 %", "0.4032", "0.4032")
	f(Bytes(3<<40), "3.0 TiB", "3298534883328", "3298534883328")
	f(ByteRate(102.4), "102 B/s", "102.4", "102.4")
	f(Duration(90*time.Second), "1m30s", "90", "90")
	f(Duration(-1500*time.Millisecond), "-1.5s", "-1.5", "-1.5")
	f(Duration(math.MinInt64), "-106751d23h", "-9223372036.854775808", "-9223372036.854775808")
	f(Time(time.Date(2013, 8, 1, 5, 30, 0, 500, time.FixedZone("IST", 19800))), "2013-08-01 05:30 IST", "2013-08-01T00:00:00.0000005Z", `"2013-08-01T00:00:00.0000005Z"`)
	f(Unknown("no_samples"), "-", "", "null")
	f(Value{}, "-", "", "null")
}

func TestValueUnknownNeverZero(t *testing.T) {
	f := func(v Value, reason string) {
		t.Helper()
		if v.Known() || v.Reason() != reason || v.machine() != "" {
			t.Errorf("%+v: want unknown because %q", v, reason)
		}
	}
	f(Ratio(math.NaN()), "not_a_number")
	f(Number(math.Inf(1), 2), "not_a_number")
	f(Bytes(math.Inf(-1)), "not_a_number")
	f(ByteRate(math.NaN()), "not_a_number")
	f(Time(time.Time{}), "no_time")
	f(Unknown("no_price"), "no_price")
	if v := Text("x"); !v.Known() || v.Reason() != "" {
		t.Errorf("text %+v is known and has no reason", v)
	}
	if got := Kind(99).String(); got != "kind 99" {
		t.Errorf("a kind there is not is called %q", got)
	}
}

func TestCompareNatural(t *testing.T) {
	want := []string{"", "1", "01", "2", "10", "a", "a1b", "a2", "a10", "a10b", "b", "vm02-x", "vm2-y", "vm10", "ä"}
	// "01" and "1" count the same, so bytes decide: "01" comes first.
	want[1], want[2] = "01", "1"
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, compareNatural)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestCompareNaturalIsAnOrder checks the three laws that sorting needs.
func TestCompareNaturalIsAnOrder(t *testing.T) {
	texts := rapid.StringMatching(`[a01\-9]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := texts.Draw(t, "a"), texts.Draw(t, "b"), texts.Draw(t, "c")
		if (compareNatural(a, b) == 0) != (a == b) {
			t.Fatalf("%q and %q are equal to the order or are not, against their bytes", a, b)
		}
		if compareNatural(a, b) != -compareNatural(b, a) {
			t.Fatalf("%q and %q depend on who is asked first", a, b)
		}
		if compareNatural(a, b) < 0 && compareNatural(b, c) < 0 && compareNatural(a, c) >= 0 {
			t.Fatalf("%q < %q < %q, but not the first before the last", a, b, c)
		}
	})
}
