package fleet_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/fleet"
)

// records are hosts that selectors of the tests tell apart.
var records = []fleet.Record{
	{Host: "aws/1/i-1", Name: "web-1", Region: "eu-1", OS: "linux", Tags: fleet.Tags{"dept": "eng", "env": "prod", "region": "north"}},
	{Host: "aws/1/i-2", Name: "web-22", Region: "us-1", OS: "linux", Tags: fleet.Tags{"dept": "eng", "env": "dev", "team": "a, b"}},
	{Host: "db", Region: "us-2", State: fleet.StateStopped, Tags: fleet.Tags{"dept": "data", "team": `say "hi"\`, "note": ""}},
	{Host: "x", Name: "x,y", Tags: fleet.Tags{"Cost Center": "7", "dept": "=", "größe": "groß", "tag:odd": "1"}},
	{Host: "bare"},
}

// matching are the numbers of the records that match.
func matching(sel fleet.Selector) string {
	var b strings.Builder
	for i := range records {
		if sel.Matches(&records[i]) {
			b.WriteByte('0' + byte(i))
		}
	}
	return b.String()
}

func TestSelector(t *testing.T) {
	f := func(s, want string) {
		t.Helper()
		sel, err := fleet.ParseSelector(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			return
		}
		if got := matching(sel); got != want {
			t.Errorf("%s matches %q, want %q", s, got, want)
		}
		if again, err := fleet.ParseSelector(sel.String()); err != nil || matching(again) != want {
			t.Errorf("%s printed as %s: %v", s, sel, err)
		}
	}
	f("", "01234")
	f(" \t\n", "01234")
	f("dept=eng", "01")
	f("dept==eng", "01")
	f(" dept = eng , env != dev ", "0")
	f("env!=dev", "0234")
	f("dept!=eng", "234")
	f("name=~web-[0-9]+", "01")
	f("name=~web-[0-9]", "0")
	f("name=~web|db", "2")
	f("name!~web-.*", "234")
	f("region=~us-.*", "12")
	f("region!~us-.*", "034")
	f("region", "012")
	f("!region", "34")
	f("! env", "234")
	f("tag:region=north", "0")
	f("tag:region", "0")
	f("region=north", "")
	f("host=db", "2")
	f("name=db", "2") // a host without a name goes by its id
	f("state=stopped", "2")
	f("os=linux,region=us-1", "1")
	// quotes
	f(`team="a, b"`, "1")
	f(`team="a, b" , dept=eng`, "1")
	f(`team="say \"hi\"\\"`, "2")
	f(`note=""`, "2")
	f(`note!=""`, "0134")
	f(`dept=""`, "")
	f("note", "2")
	f(`"Cost Center"=7`, "3")
	f(`"Cost Center"`, "3")
	f(`!"Cost Center"`, "0124")
	f(`"tag:Cost Center"!=7`, "0124")
	f("größe=groß", "3")
	f("dept= =", "3")
	f(`dept="="`, "3")
	f("tag:tag:odd=1", "3")
	// brackets and commas
	f("name=~web-[0-9]{1,2}", "01")
	f("name=~web-[0-9]{2,3},dept=eng", "1")
	f("name=~x[,]y", "3")
	f(`name=~x\,y`, "3")
	f("name=~(web-1|x,y)", "03")
	f("name=~web-[(1],dept=eng", "0")
	f("name=~web-[]1],dept=eng", "0")
	f("name=~web-[^]2]+,dept=eng", "0")
	f("name=~web-[[:digit:],],dept=eng", "0")
	f("dept=e(ng,env=dev", "")
	f("dept=eng[,env=dev", "")
	f(`name=~"x,y"`, "3")
	f("name!~.*,dept", "") // nothing has a dept and no name
	f("name=~a|.*", "01234")
	f(`note=~""`, "2")
}

func TestSelectorErrors(t *testing.T) {
	f := func(s, want string) {
		t.Helper()
		sel, err := fleet.ParseSelector(s)
		if err == nil {
			t.Errorf("%q is %v, matching %q", s, sel.Keys(), matching(sel))
			return
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", s, err, want)
		}
	}
	f("=eng", "character 1: a key such as dept is missing")
	f("dept=eng,,env=dev", "character 10: a key such as dept is missing")
	f(",dept=eng", "character 1: a key")
	f("!", "character 2: a key")
	f("!=eng", "character 2: a key")
	f(`""=eng`, "character 1: a key")
	f("tag:=x", "character 1: a key")
	f("dept=eng,", "ends with a comma")
	f("dept=eng, ", "ends with a comma")
	f("dept=", `character 6: a value is missing after dept=; write dept="" for an empty one`)
	f("dept==", `character 7: a value is missing after dept=`)
	f("dept= ,env=dev", `character 7: a value is missing`)
	f("dept!=", `a value is missing after dept!=`)
	f("dept=~", `a value is missing after dept=~`)
	f("dept eng", "character 6: one of = != =~ !~ is missing after dept")
	f("dept!eng", "character 5: one of")
	f("dept~eng", "character 5: one of")
	f("!dept=eng", `character 6: '=' after !dept`)
	f(`dept="eng`, "character 6: the quote is not closed")
	f(`dept="eng\"`, "character 6: the quote is not closed")
	f(`"dept=eng`, "character 1: the quote is not closed")
	f(`dept="eng"x`, "character 11: a comma is missing after the quoted value")
	f("env=dev,name=~web-[", `character 15: regular expression "web-["`)
	f("name=~a)|(b", "unexpected )")
	f(`name=~\Qa`, "regular expression")
	f("name=~(a,dept=eng", "missing closing )")
	f("  größe=groß,=x", "character 14: a key") // characters, not bytes
}

func TestSelectorIsAsked(t *testing.T) {
	sel := fleet.MustSelector(` dept=eng, !"Cost Center" `)
	if got := strings.Join(sel.Keys(), "|"); got != "dept|Cost Center" || sel.All() {
		t.Errorf("keys %s, all %v", got, sel.All())
	}
	if sel.String() != `dept=eng, !"Cost Center"` {
		t.Error(sel.String())
	}
	if zero := (fleet.Selector{}); !zero.All() || matching(zero) != "01234" || zero.String() != "" || zero.Keys() != nil {
		t.Error("the zero selector is wrong")
	}
	defer func() {
		if recover() == nil {
			t.Error("MustSelector does not panic")
		}
	}()
	fleet.MustSelector("=")
}

func TestSelectHost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := fleet.HostID(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{`a"b\`, "a,b", " a ", "\n", "\x00\xff", ""})).Draw(t, "id"))
		sel := fleet.SelectHost(id)
		again, err := fleet.ParseSelector(sel.String())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []fleet.Selector{sel, again} {
			if got := s.Matches(&fleet.Record{Host: id}); got != (id != "") {
				t.Fatalf("%s matches %q: %v", s, id, got)
			}
			if s.Matches(&fleet.Record{Host: id + "x"}) {
				t.Fatalf("%s matches another host", s)
			}
		}
	})
}

// FuzzSelector: no text crashes, and a selector printed and read again matches
// the same records.
func FuzzSelector(f *testing.F) {
	for _, s := range []string{
		"", "dept=eng,env!=dev", "name=~web-[0-9]{1,2}", "region!~us-.*", "owner", "!owner", `team="a, b"`, "tag:region=north",
		`"Cost Center"=7`, "dept==", `name=~[[:alpha:],]\,(a,b)`, "\vdept=eng\u00a0", `a="\\\""`, "name=~[^]]", "name=~[", "name=~\\",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sel, err := fleet.ParseSelector(s)
		if err != nil {
			return
		}
		again, err := fleet.ParseSelector(sel.String())
		if err != nil {
			t.Fatalf("%q printed as %q: %v", s, sel, err)
		}
		if got, want := matching(again), matching(sel); got != want || again.String() != sel.String() {
			t.Fatalf("%q matches %s, printed as %q %s", s, want, sel, got)
		}
	})
}
