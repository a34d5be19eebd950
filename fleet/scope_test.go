package fleet_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/zones"
)

func environment(t *testing.T) fleet.Environment {
	return fleet.Environment{
		Metrics: fleet.CanonicalMetrics(), Now: at(t, "2026-03-31T10:30:00Z"), Zone: zones.Load, Timezone: "Europe/Berlin",
		Hours: map[string]fleet.Calendar{
			"office": {Hours: hours(t, "mon-fri 09:00-13:00")},
			"india":  {Hours: hours(t, "mon-fri 09:00-13:00"), Location: zone(t, "Asia/Kolkata")},
		},
		Blackouts: []fleet.Window{window(t, "2026-03-30T10:00:00Z..2026-03-30T12:00:00Z")},
	}
}

func TestResolve(t *testing.T) {
	env := environment(t)
	f := func(s fleet.Scope, location, w, counts string) {
		t.Helper()
		q, err := env.Resolve(s, "7d")
		if err != nil {
			t.Errorf("%+v: %v", s, err)
			return
		}
		day := window(t, "2026-03-30T00:00:00Z..2026-03-31T00:00:00Z")
		if q.Location.String() != location || q.Window != window(t, w) || q.Within.Duration(day).String() != counts {
			t.Errorf("%+v: %v, %v, %v of a day", s, q.Location, q.Window, q.Within.Duration(day))
		}
	}
	f(fleet.Scope{}, "Europe/Berlin", "2026-03-24T11:30:00Z..2026-03-31T10:30:00Z", "22h0m0s")
	f(fleet.Scope{Timezone: "UTC", Range: "last-month"}, "UTC", "2026-02-01T00:00:00Z..2026-03-01T00:00:00Z", "22h0m0s")
	f(fleet.Scope{AsOf: at(t, "2026-01-08T00:00:00Z"), Timezone: "Asia/Kolkata"}, "Asia/Kolkata", "2026-01-01T00:00:00Z..2026-01-08T00:00:00Z", "22h0m0s")
	// Named hours are read in their own zone, else in the question's: 09:00 is
	// 07:00 UTC in Berlin and 03:30 UTC in Kolkata; two hours are blacked out, from 10:00 UTC on.
	f(fleet.Scope{Hours: "office"}, "Europe/Berlin", "2026-03-24T11:30:00Z..2026-03-31T10:30:00Z", "3h0m0s")
	f(fleet.Scope{Hours: "india"}, "Europe/Berlin", "2026-03-24T11:30:00Z..2026-03-31T10:30:00Z", "4h0m0s")
	f(fleet.Scope{Hours: "mon 11:00-13:00"}, "Europe/Berlin", "2026-03-24T11:30:00Z..2026-03-31T10:30:00Z", "1h0m0s")
	q, err := env.Resolve(fleet.Scope{Select: "dept=eng"}, "7d")
	if err != nil || q.Hosts.String() != "dept=eng" || !q.AsOf.Equal(env.Now) {
		t.Errorf("%v as of %v, %v", q.Hosts, q.AsOf, err)
	}
	if office := env.Hours["office"]; office.Location != nil || len(office.Exclude) != 0 {
		t.Error("a question changed the configured hours")
	}
	env.Timezone = ""
	f(fleet.Scope{}, "UTC", "2026-03-24T10:30:00Z..2026-03-31T10:30:00Z", "22h0m0s")
}

func TestResolveErrors(t *testing.T) {
	env := environment(t)
	f := func(s fleet.Scope, want string) {
		t.Helper()
		if _, err := env.Resolve(s, "7d"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %q", s, err, want)
		}
	}
	f(fleet.Scope{Range: "soon"}, `range "soon"`)
	f(fleet.Scope{Select: "dept="}, `selector "dept="`)
	f(fleet.Scope{Timezone: "Europe/Berlim"}, `"Europe/Berlim"; did you mean Europe/Berlin`)
	f(fleet.Scope{Hours: "ofice"}, `hours "ofice": no such hours in the configuration; did you mean "office"?`)
	f(fleet.Scope{Hours: "mon-fri 9-17"}, `"9-17" is not a range of hours`)
	env.Zone = nil
	f(fleet.Scope{}, `time zone "Europe/Berlin": no zone data`)
}

func TestTolerate(t *testing.T) {
	flipped := errors.New("a flipped bit")
	damage := &fleet.DamagedError{File: "days/2026-01-01.parquet", Day: "2026-01-01", Err: flipped}
	wrapped := fmt.Errorf("read profiles: %w", damage)
	var list []fleet.Damage
	if err := fleet.Tolerate(wrapped, false, &list); !errors.Is(err, flipped) || !strings.Contains(err.Error(), "days/2026-01-01.parquet is damaged: a flipped bit; leave 2026-01-01 out") || list != nil {
		t.Errorf("%v, %v", err, list)
	}
	other := errors.New("canceled")
	if err := fleet.Tolerate(other, true, &list); err != other || list != nil {
		t.Errorf("%v, %v", err, list)
	}
	if err := fleet.Tolerate(nil, true, &list); err != nil {
		t.Error(err)
	}
	for range 2 { // each file once
		if err := fleet.Tolerate(wrapped, true, &list); err != nil {
			t.Error(err)
		}
	}
	if want := []fleet.Damage{{File: "days/2026-01-01.parquet", Day: "2026-01-01", Reason: "a flipped bit"}}; !reflect.DeepEqual(list, want) {
		t.Errorf("%v", list)
	}
}

func TestGroupsOf(t *testing.T) {
	sets := map[string]fleet.Selector{"web": fleet.MustSelector("name=~web-.*"), "eng": fleet.MustSelector("dept=eng"), "data": fleet.MustSelector("dept=data")}
	f := func(record int, by string, want ...string) {
		t.Helper()
		var keys, got []string
		if by != "" {
			keys = strings.Split(by, ",")
		}
		for _, k := range fleet.GroupsOf(&records[record], keys, sets) {
			got = append(got, k.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s by %s: %q, want %q", records[record].Host, by, got, want)
		}
	}
	f(0, "", "")
	f(0, "dept,env", "dept=eng,env=prod")
	f(0, "env,dept", "env=prod,dept=eng")
	f(0, "region,tag:region", "region=eu-1,tag:region=north")
	f(4, "dept,region", "dept=-,region=-")
	f(2, "note", "note=")
	f(0, "set", "set=eng", "set=web")
	f(2, "set", "set=data")
	f(4, "set", "set=-")
	f(1, "env,set,dept", "env=dev,set=eng,dept=eng", "env=dev,set=web,dept=eng")
	// Groups of several sets do not share memory.
	groups := fleet.GroupsOf(&records[0], []string{"set", "dept"}, sets)
	other := "other"
	groups[0][1].Value = &other
	if groups[1].String() != "set=web,dept=eng" {
		t.Errorf("%v", groups)
	}
}

func TestCheckGroupBy(t *testing.T) {
	sets := map[string]fleet.Selector{"all": {}}
	for by, want := range map[string]string{"dept": "", "dept,env": "", "set,dept": "", "region,tag:region": "", "dept,dept": "dept stands twice", "": "empty key", "dept,": "empty key", "tag:": "empty key"} {
		err := fleet.CheckGroupBy(strings.Split(by, ","), sets)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", by, err)
		}
	}
	if err := fleet.CheckGroupBy(nil, nil); err != nil {
		t.Error(err)
	}
	if err := fleet.CheckGroupBy([]string{"set"}, nil); err == nil || !strings.Contains(err.Error(), "names no sets") {
		t.Errorf("%v", err)
	}
}

func groupKeys() *rapid.Generator[fleet.GroupKey] {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "a", "1:a;", "?;", `"`, "\u2028<&>"}))
	return rapid.Custom(func(t *rapid.T) fleet.GroupKey {
		k := fleet.GroupKey{}
		for i := range 2 {
			v := fleet.GroupValue{Key: fmt.Sprintf("k%d", i)}
			if rapid.Bool().Draw(t, "known") {
				s := text.Draw(t, "value")
				v.Value = &s
			}
			k = append(k, v)
		}
		return k
	})
}

// TestGroupKey: JSON reads back; keys are ordered; equal in order means equal
// in ID and in JSON, and unknown is not empty.
func TestGroupKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := groupKeys().Draw(t, "a"), groupKeys().Draw(t, "b"), groupKeys().Draw(t, "c")
		data, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var again fleet.GroupKey
		if err := json.Unmarshal(data, &again); err != nil || !reflect.DeepEqual(a, again) {
			t.Fatalf("%s reads back as %v, %v", data, again, err)
		}
		other, _ := json.Marshal(b)
		equal := reflect.DeepEqual(a, b)
		if (a.Compare(b) == 0) != equal || (a.ID() == b.ID()) != equal || (string(data) == string(other)) != equal {
			t.Fatalf("%s and %s: %d, IDs %q and %q", data, other, a.Compare(b), a.ID(), b.ID())
		}
		if (a.Compare(b) < 0) != (b.Compare(a) > 0) {
			t.Fatalf("%s and %s: %d and %d", data, other, a.Compare(b), b.Compare(a))
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Fatalf("%v <= %v <= %v", a, b, c)
		}
	})
}

func TestGroupKeyJSON(t *testing.T) {
	var k fleet.GroupKey
	if err := json.Unmarshal([]byte(`{"env":"prod","dept":null}`), &k); err != nil || k.String() != "env=prod,dept=-" {
		t.Errorf("%v, %v", k, err)
	}
	if data, err := json.Marshal(k); err != nil || string(data) != `{"env":"prod","dept":null}` {
		t.Errorf("%s, %v", data, err)
	}
	if data, err := json.Marshal(fleet.GroupKey{}); err != nil || string(data) != `{}` {
		t.Errorf("%s, %v", data, err)
	}
	for _, s := range []string{`[]`, `"a"`, `{"a":1}`, `{"a":["b"]}`, `null`} {
		if err := json.Unmarshal([]byte(s), &k); err == nil {
			t.Errorf("%s is %v", s, k)
		}
	}
	for _, s := range []string{``, `{`, `{"a"`, `{"a":"b"`} {
		if err := k.UnmarshalJSON([]byte(s)); err == nil {
			t.Errorf("%q is %v", s, k)
		}
	}
	known := func(s string) fleet.GroupKey { return fleet.GroupKey{{Key: "dept", Value: &s}} }
	list := []fleet.GroupKey{{{Key: "dept"}}, known("b"), known(""), known("a")}
	slices.SortFunc(list, fleet.GroupKey.Compare)
	if got := fmt.Sprint(list); got != "[dept= dept=a dept=b dept=-]" { // unknown last
		t.Error(got)
	}
	if (fleet.GroupKey{}).Compare(known("a")) >= 0 {
		t.Error("a shorter key is not before a longer one")
	}
}

func TestDamagedError(t *testing.T) {
	err := &fleet.DamagedError{File: "f", Day: "2026-01-01", Err: errors.New("gone")}
	if err.Error() != "f is damaged: gone" || errors.Unwrap(err).Error() != "gone" {
		t.Error(err)
	}
}

func ExampleParseWindow() {
	asOf := time.Date(2026, 3, 31, 10, 30, 0, 0, time.UTC)
	berlin, err := zones.Load("Europe/Berlin")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range []string{"7d", "168h", "2026-03-29"} {
		w, err := fleet.ParseWindow(s, asOf, berlin)
		fmt.Println(w, w.Duration(), err)
	}
	// Output:
	// 2026-03-24T11:30:00Z..2026-03-31T10:30:00Z 167h0m0s <nil>
	// 2026-03-24T10:30:00Z..2026-03-31T10:30:00Z 168h0m0s <nil>
	// 2026-03-28T23:00:00Z..2026-03-29T22:00:00Z 23h0m0s <nil>
}

// TestSetsInSelectors: set=NAME is the configured set, with other terms, turned
// round and twice; where nothing is configured it is a tag.
func TestSetsInSelectors(t *testing.T) {
	sets := map[string]fleet.Selector{"web": fleet.MustSelector("dept=eng,role=web"), "prod": fleet.MustSelector("env=prod")}
	env := fleet.Environment{Sets: sets}
	hosts := []fleet.Record{
		{Host: "a", Tags: fleet.Tags{"dept": "eng", "role": "web", "env": "prod"}},
		{Host: "b", Tags: fleet.Tags{"dept": "eng", "role": "web", "env": "dev"}},
		{Host: "c", Tags: fleet.Tags{"dept": "data", "env": "prod", "set": "web"}},
	}
	f := func(env fleet.Environment, text, want string) {
		t.Helper()
		q, err := env.Resolve(fleet.Scope{Select: text, Range: "2024-01"}, "")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for i := range hosts {
			if q.Hosts.Matches(&hosts[i]) {
				got += string(hosts[i].Host)
			}
		}
		if got != want || q.Hosts.String() != text {
			t.Errorf("%s matches %q, not %q; it is %q", text, got, want, q.Hosts)
		}
	}
	f(env, "set=web", "ab")
	f(env, "set=web,env=dev", "b")
	f(env, "set=web,set=prod", "a")
	f(env, "set=prod,set!=web", "c")
	f(env, `set="web"`, "ab")
	f(env, "tag:set=web", "c")
	f(fleet.Environment{}, "set=web", "c")
	for text, want := range map[string]string{"set=wbe": `no set "wbe" in the configuration (the tag is tag:set); did you mean "web"`, "set=~w.*": "set=NAME", "!set": "set=NAME", "set": "set=NAME"} {
		var bad *fleet.RequestError
		if _, err := env.Selector(text); !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}
