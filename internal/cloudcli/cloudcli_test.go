package cloudcli_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
	"github.com/leanfleet/leanfleet/internal/cloudcli"
	"github.com/leanfleet/leanfleet/inventory"
)

var update = flag.Bool("update", false, "write golden files")

// TestOutputs reads an output of each tool and compares all it states.
func TestOutputs(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 9 {
		t.Fatalf("%v, %v", files, err)
	}
	formats := map[string]cloudcli.Format{"aws": cloudcli.AWS, "az": cloudcli.Azure, "gcp": cloudcli.GCP}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			auto, err := cloudcli.Read(t.Context(), file, cloudcli.Options{})
			if err != nil {
				t.Fatal(err)
			}
			tool, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "-")
			named, err := cloudcli.Read(t.Context(), file, cloudcli.Options{Format: formats[tool]})
			if err != nil || auto.Format != formats[tool] || show(auto) != show(named) {
				t.Errorf("%s was taken for %s (%v)", tool, auto.Format, err)
			}
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(show(auto)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || show(auto) != string(want) {
				t.Errorf("%s (%v): states\n%s", golden, err, show(auto))
			}
		})
	}
}

// show prints statements: HOST [FROM..] field=value, one line each.
func show(inv cloudcli.Inventory) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d machines\n", inv.Format, inv.Machines)
	for _, s := range inv.Statements {
		fmt.Fprintf(&b, "%s", s.Host)
		if !s.From.IsZero() {
			fmt.Fprintf(&b, " from %s", s.From.Format(time.RFC3339Nano))
		}
		for _, key := range fleet.BuiltinKeys() {
			if v, ok := s.Field(key); ok && key != "host" && v != string(s.Host) {
				fmt.Fprintf(&b, " %s=%q", key, v)
			}
		}
		for _, a := range s.Aliases {
			fmt.Fprintf(&b, " %s=%s", a.Kind, a.Key)
		}
		if s.Disks != nil {
			fmt.Fprintf(&b, " disks=%v", s.Disks)
		}
		if s.Addresses != nil {
			fmt.Fprintf(&b, " addresses=%d", *s.Addresses)
		}
		if s.Tags != nil {
			tags, _ := json.Marshal(s.Tags)
			fmt.Fprintf(&b, " tags=%s", tags)
		}
		b.WriteString("\n")
	}
	for _, n := range inv.Notes {
		b.WriteString("note: " + n + "\n")
	}
	return b.String()
}

// history puts outputs one after another into an engine.
type history struct {
	t *testing.T
	m *fleettest.Memory
}

func newHistory(t *testing.T) *history { return &history{t, fleettest.NewMemory(fleettest.Options{})} }

// put reads an output at a time and says what became of it.
func (h *history) put(at, file string) fleet.PutResult {
	h.t.Helper()
	inv, err := cloudcli.Read(h.t.Context(), "testdata/"+file, cloudcli.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	list, err := inv.StatementsFor(day(at), func(key string) ([]fleet.Record, error) {
		host, err := h.m.Host(key, day(at))
		if err != nil {
			return nil, nil
		}
		return h.m.Records(h.t.Context(), fleet.SelectHost(host.ID), fleet.Window{})
	})
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := h.m.PutRecords(h.t.Context(), list, fleet.Put{At: day(at), Who: "test", Origin: fleet.OriginImport})
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func day(s string) time.Time {
	t, err := fleet.ParseTime(s, time.UTC)
	if err != nil {
		panic(err)
	}
	return t
}

// wants compares fields of a host's records.
func (h *history) wants(key string, fields []string, want ...string) {
	h.t.Helper()
	host, err := h.m.Host(key, day("2024-03-05"))
	if err != nil {
		h.t.Error(err)
		return
	}
	records, err := h.m.Records(h.t.Context(), fleet.SelectHost(host.ID), fleet.Window{})
	if err != nil {
		h.t.Fatal(err)
	}
	var got []string
	before := ""
	for _, r := range records {
		line := ""
		for _, f := range fields {
			v, _ := r.Field(f)
			line += " " + v
		}
		if line != before { // else another field changed
			got = append(got, stamp(r.From)+line)
		}
		before = line
	}
	if !slices.Equal(got, want) {
		h.t.Errorf("%s:\n%s\nwanted\n%s", key, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ".."
	}
	return t.Format("2006-01-02T15:04")
}

// running is when a host is known to run.
func (h *history) running(key, want string) {
	h.t.Helper()
	host, err := h.m.Host(key, day("2024-03-05"))
	if err != nil {
		h.t.Error(err)
		return
	}
	records, _ := h.m.Records(h.t.Context(), fleet.SelectHost(host.ID), fleet.Window{})
	var got []string
	for _, list := range inventory.Lifetime(records) {
		for _, w := range list {
			if n := len(got); n > 0 && strings.HasSuffix(got[n-1], ".."+stamp(w.Start)) {
				got[n-1] = strings.TrimSuffix(got[n-1], ".."+stamp(w.Start)) + ".." + strings.TrimPrefix(stamp(w.End), "..")
				continue
			}
			got = append(got, stamp(w.Start)+".."+strings.TrimPrefix(stamp(w.End), ".."))
		}
	}
	if s := strings.Join(got, " "); s != want {
		h.t.Errorf("%s runs %s, wanted %s", key, s, want)
	}
}

func (h *history) unchanged(at, file string) {
	h.t.Helper()
	if r := h.put(at, file); r.Added+r.Learned+r.Changed+r.Corrected != 0 {
		h.t.Errorf("%s again: %+v", file, r)
	}
}

func TestHistoryAWS(t *testing.T) {
	h := newHistory(t)
	if r := h.put("2024-02-03", "aws.json"); r.Added != 6 {
		t.Errorf("%+v", r)
	}
	h.unchanged("2024-02-04", "aws.json")
	h.put("2024-02-19", "aws-between.json")
	h.put("2024-02-25", "aws-later.json")
	h.unchanged("2024-02-26", "aws-later.json")

	// Stopped, resized, started and renamed: one host, whose type of before stays.
	h.wants("i-0466222f60662e9c5", []string{"name", "instance_type", "state"},
		".. web-1 m5.large ", "2024-01-10T08:00 web-1 m5.large running", "2024-02-18T20:00 web-1 m5.large stopped", "2024-02-20T07:30 web-1 m5.large running", "2024-02-25T00:00 web-old m5.xlarge running")
	h.running("web-old", "2024-01-10T08:00..2024-02-18T20:00 2024-02-20T07:30..")
	// The time of its stop before was told, too.
	h.running("db-1", "2023-06-21T08:58..2023-09-13T12:22 2024-02-15T05:00..")
	// The name used again is another host.
	h.wants("web-1", []string{"host", "instance_type", "dept", "account"}, ".. i-0dddddddddddddddd m6i.large data 123456789012")
	// Terminated: with its time, and without one, when it was seen.
	h.running("i-0bbbbbbbbbbbbbbb2", "2024-02-01T00:00..2024-02-02T10:00")
	h.running("i-0aaaaaaaaaaaaaaa1", "2024-02-02T00:00..2024-02-25T00:00")
}

func TestHistoryAzure(t *testing.T) {
	h := newHistory(t)
	h.put("2024-02-03", "az.json")
	h.unchanged("2024-02-04", "az.json")
	r := h.put("2024-02-20", "az-later.json")
	if r.Added != 1 || r.Changed < 2 || len(r.Conflicts) > 0 {
		t.Errorf("%+v", r)
	}
	h.unchanged("2024-02-21", "az-later.json")
	h.wants("app-1", []string{"instance_type", "state", "dept"}, "2023-05-04T10:11 Standard_D2s_v5  eng", "2024-02-03T00:00 Standard_D2s_v5 running eng", "2024-02-20T00:00 Standard_D4s_v5 stopped eng")
	h.running("app-1", "2023-05-04T10:11..2024-02-20T00:00") // its launch is evidence
	h.running("sql-1", "2024-02-20T00:00..")
	h.wants("idle-1", []string{"host"}, "2024-02-15T00:00 9f1a9b2c-4444-4d3e-9f10-0123456789ab")
	h.running("7f1a9b2c-2222-4d3e-9f10-0123456789ab", "2023-05-04T10:11..")
	h.running("6f1a9b2c-1111-4d3e-9f10-0123456789ab", "2024-02-20T00:00..")
}

func TestNobodyAnswers(t *testing.T) {
	inv, err := cloudcli.Read(t.Context(), "testdata/gcp.json", cloudcli.Options{})
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	list, err := inv.StatementsFor(day("2022-01-01"), func(string) ([]fleet.Record, error) { asked++; return nil, nil })
	if err != nil || asked != 0 || list[0].From != (time.Time{}) {
		t.Errorf("made after they were put: %d asked, %v, %v", asked, list[0].From, err)
	}
	if _, err := inv.StatementsFor(day("2025-01-01"), func(string) ([]fleet.Record, error) { return nil, fs.ErrClosed }); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
}

func TestHistoryGCP(t *testing.T) {
	h := newHistory(t)
	h.put("2024-02-03", "gcp.json")
	h.unchanged("2024-02-04", "gcp.json")
	h.put("2024-02-20", "gcp-later.json")
	h.unchanged("2024-02-21", "gcp-later.json")
	h.running("api-1", "2023-03-01T09:00..2024-01-04T08:51 2024-01-06T07:44..2024-02-12T20:00")
	h.running("batch-1", "2023-03-01T09:00..2023-12-20T08:00 2024-02-11T08:00..")
	h.running("nap-1", "2023-03-01T09:00..2024-01-20T08:00")
	h.wants("mig-x7k2", []string{"host", "owned_by", "purchase"}, "2024-02-14T08:00 9973622970691764988 web-mig spot")
}

func TestMistakes(t *testing.T) {
	const aws, az, gcp = `{"InstanceId":"i-1","InstanceType":"m5.large"}`, `{"vmId":"A","name":"x"}`, `{"id":"7","kind":"compute#instance","machineType":"e2-small"}`
	for _, c := range []struct {
		name, text string
		format     cloudcli.Format
		want       []string
	}{
		{"empty", " \n", cloudcli.AWS, []string{"in.json: it is empty", "aws ec2 describe-instances"}},
		{"table", "NAME  ZONE  MACHINE_TYPE\nx y z", cloudcli.GCP, []string{"in.json:1:1: this is no JSON", `begins with "NAME  ZONE  MACHINE_`, "gcloud compute instances list --format json"}},
		{"csv", "host,name\ni-1,web", cloudcli.Auto, []string{"this is no JSON", "any of the clouds' tools"}},
		{"truncated", "{\n \"Reservations\": [ {", cloudcli.AWS, []string{"in.json:2:21: the JSON ends early"}},
		{"syntax", "[\n {\"InstanceId\": }]", cloudcli.AWS, []string{"in.json:2:17: invalid character '}'"}},
		{"azure as aws", "[" + az + "]", cloudcli.AWS, []string{"this looks like the output of az-cli", `"az vm list -d -o json"`, "not of aws-cli", "--from az-cli"}},
		{"gcp as azure", "[" + gcp + "]", cloudcli.Azure, []string{"looks like the output of gcloud", "--from gcloud"}},
		{"aws as gcp", aws, cloudcli.GCP, []string{"looks like the output of aws-cli"}},
		{"mixed", aws + az, cloudcli.Auto, []string{"document 2 looks like az-cli, and those before like aws-cli"}},
		{"something else", `{"Snapshots":[],"x":1}`, cloudcli.Auto, []string{"the output is an object that is no machine", "it has Snapshots, x"}},
		{"nothing", `{}`, cloudcli.Auto, []string{"it is empty"}},
		{"error", `{"error":{"code":403}}`, cloudcli.Auto, []string{"an error that a tool printed", "403"}},
		{"rest", `[{"name":"x","properties":{"vmId":"A"}}]`, cloudcli.Azure, []string{"[0] looks like output of a REST API"}},
		{"text", `["i-1"]`, cloudcli.AWS, []string{`[0] is "i-1" where a machine should be`}},
		{"type", `{"Reservations":[{"Instances":[` + aws + `,{"InstanceId":"i-2","State":{"Name":7}}]}]}`, cloudcli.AWS, []string{"in.json: Reservations[0].Instances[1] (i-2): State.Name is a JSON number"}},
		{"list", `{"Reservations":7}`, cloudcli.AWS, []string{"Reservations is 7 where"}},
		{"time", `[{"InstanceId":"i-2","LaunchTime":"yesterday","State":{"Name":"running"}}]`, cloudcli.AWS, []string{`[0] (i-2): LaunchTime: "yesterday" is no time`}},
		{"time of another type", `[{"InstanceId":"i-2","LaunchTime":7}]`, cloudcli.AWS, []string{"(i-2): LaunchTime: 7 is no time"}},
		{"old time", `[{"InstanceId":"i-2","LaunchTime":"0001-01-01T00:00:00Z"}]`, cloudcli.AWS, []string{"out of range"}},
		{"reason", `[{"InstanceId":"i-2","StateTransitionReason":"User initiated (2024-13-01 00:00:00 GMT)"}]`, cloudcli.AWS, []string{"StateTransitionReason", "2024-13-01"}},
		{"no id", `[{"InstanceId":""}]`, cloudcli.AWS, []string{"[0]: it has no id"}},
		{"no id in gcp", `[{"kind":"compute#instance","name":"x"}]`, cloudcli.GCP, []string{"[0]: it has no id"}},
		{"bad id in gcp", `[{"kind":"compute#instance","id":"x-1"}]`, cloudcli.GCP, []string{`"x-1" is no whole number`}},
		{"control", `[{"InstanceId":"i-\u0000"}]`, cloudcli.AWS, []string{"control characters"}},
		{"long", `[{"vmId":"a","name":"` + strings.Repeat("x", 2000) + `"}]`, cloudcli.Azure, []string{"longer than 1024 bytes"}},
		{"disk", `[{"vmId":"a","storageProfile":{"osDisk":{"diskSizeGb":-1}}}]`, cloudcli.Azure, []string{"[0] (a): storageProfile.osDisk.diskSizeGb: -1 is no number of GiB"}},
		{"disk of gcp", `[{"id":"7","kind":"compute#instance","disks":[{"diskSizeGb":"big"}]}]`, cloudcli.GCP, []string{`[0] (7): disks[0].diskSizeGb: "big" is no number of GiB`}},
	} {
		inv, err := cloudcli.Parse("in.json", []byte(c.text), c.format)
		if err == nil || inv.Statements != nil {
			t.Errorf("%s: error %v, %d statements", c.name, err, len(inv.Statements))
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) || !strings.HasPrefix(err.Error(), "in.json:") {
				t.Errorf("%s: the error does not say %q: %v", c.name, w, err)
			}
		}
	}
	_, err := cloudcli.Parse("in.json", []byte(`[`+strings.Repeat(`{"InstanceId":""},`, 30)+aws+`]`), cloudcli.Auto)
	if err == nil || strings.Count(err.Error(), "\n") != 20 || !strings.Contains(err.Error(), "the first 20 mistakes are shown") {
		t.Errorf("many mistakes: %v", err)
	}
}

func TestNotes(t *testing.T) {
	for text, want := range map[string]string{
		`{"Reservations":[]}`: "It lists no machine.",
		`[]`:                  "It lists no machine.",
		`{"Reservations":[{"Instances":[{"InstanceId":"i-1","State":{"Name":"running"}}]}],"NextToken":"abc"}`: "The output ends with a NextToken: there are more machines than it lists; leave out --max-items.",
		`[{"InstanceId":"i-1","State":{"Name":"odd"}}]`:                                                        "States that say neither that a machine runs nor that it does not are left out: odd.",
		`[{"vmId":"a","powerState":"VM unknown"}]`:                                                             "States that say neither that a machine runs nor that it does not are left out: VM unknown.",
	} {
		inv, err := cloudcli.Parse("x", []byte(text), cloudcli.Auto)
		if err != nil || !slices.Equal(inv.Notes, []string{want}) {
			t.Errorf("%s: %q, %v", text, inv.Notes, err)
		}
	}
}

// TestOverlap: pages that overlap say the same twice; a machine that is told of
// in two ways is left to the inventory's rules.
func TestOverlap(t *testing.T) {
	const page = `{"Reservations":[{"OwnerId":"1","Instances":[{"InstanceId":"i-1","InstanceType":"m5.large","State":{"Name":"running"}}]}]}`
	inv, err := cloudcli.Parse("x", []byte(page+"\n"+page+strings.ReplaceAll(page, "large", "xlarge")), cloudcli.Auto)
	if err != nil || inv.Machines != 2 || len(inv.Statements) != 4 || inv.Statements[2].Account != "1" {
		t.Errorf("%+v, %v", inv, err)
	}
	r, err := inventory.NewBook(nil).Put(inv.Statements, fleet.Put{At: day("2024-01-01")})
	if err != nil || len(r.Conflicts) != 1 || !strings.Contains(r.Conflicts[0].Reason, "instance_type") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestWays(t *testing.T) {
	text, err := os.ReadFile("testdata/gcp.json")
	if err != nil {
		t.Fatal(err)
	}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(text)
	w.Close()
	inv, err := cloudcli.Read(t.Context(), "-", cloudcli.Options{Stdin: bytes.NewReader(z.Bytes())})
	if err != nil || inv.Machines != 5 {
		t.Errorf("gzip from standard input: %d machines, %v", inv.Machines, err)
	}
	inv, err = cloudcli.Read(t.Context(), "gcp.json", cloudcli.Options{Directory: "testdata"})
	if err != nil || inv.Machines != 5 {
		t.Errorf("in a directory: %d machines, %v", inv.Machines, err)
	}
	if _, err = cloudcli.Read(t.Context(), "-", cloudcli.Options{Stdin: bytes.NewReader(z.Bytes()[:z.Len()/2])}); err == nil || !strings.Contains(err.Error(), "standard input: the gzip data ends early") {
		t.Error(err)
	}
	if _, err = cloudcli.Read(t.Context(), "-", cloudcli.Options{Stdin: strings.NewReader("\x1f\x8bxx")}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
	if _, err = cloudcli.Read(t.Context(), "nowhere.json", cloudcli.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = cloudcli.Read(ctx, "-", cloudcli.Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	inv, err = cloudcli.Parse("x", append([]byte("\xef\xbb\xbf"), text...), "")
	if err != nil || inv.Machines != 5 {
		t.Errorf("with a byte order mark: %d machines, %v", inv.Machines, err)
	}
}

func TestParseFormat(t *testing.T) {
	for in, want := range map[string]cloudcli.Format{"": cloudcli.Auto, "AUTO": cloudcli.Auto, "aws": cloudcli.AWS, "aws-cli": cloudcli.AWS, "azure": cloudcli.Azure, "az-cli": cloudcli.Azure, "gcp": cloudcli.GCP, "gcloud": cloudcli.GCP} {
		if got, err := cloudcli.ParseFormat(in); got != want || err != nil {
			t.Errorf("%q is %q, %v", in, got, err)
		}
	}
	if _, err := cloudcli.ParseFormat("oci"); err == nil || !strings.Contains(err.Error(), "use auto, aws-cli, az-cli or gcloud") {
		t.Error(err)
	}
}

func FuzzAWS(f *testing.F)   { fuzz(f, cloudcli.AWS, "aws") }
func FuzzAzure(f *testing.F) { fuzz(f, cloudcli.Azure, "az") }
func FuzzGCP(f *testing.F)   { fuzz(f, cloudcli.GCP, "gcp") }

// fuzz holds that what is stated can be put, and that a mistake states nothing.
func fuzz(f *testing.F, format cloudcli.Format, prefix string) {
	files, err := filepath.Glob("testdata/" + prefix + "*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var small bytes.Buffer
		if json.Compact(&small, text) == nil {
			text = small.Bytes()
		}
		f.Add(text)
	}
	f.Add([]byte(`[[null,{"InstanceId":"i","State":{}}],{"vmId":"a","tags":null},{"id":7,"kind":"compute#instance"}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		inv, err := cloudcli.Parse("in", data, format)
		if err != nil {
			if inv.Statements != nil || !strings.HasPrefix(err.Error(), "in:") {
				t.Errorf("%d statements beside %v", len(inv.Statements), err)
			}
			return
		}
		list, err := inv.StatementsFor(day("2024-03-01"), func(string) ([]fleet.Record, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range inv.Listed {
			if s := inv.First(list, i); s.Host != l.Host || s.Account != l.Account {
				t.Errorf("machine %d is %s of %s, its statement is about %s of %s", i, l.Host, l.Account, s.Host, s.Account)
			}
		}
		if _, err := inventory.NewBook(nil).Put(list, fleet.Put{At: day("2024-03-01")}); err != nil {
			t.Errorf("cannot be put: %v", err)
		}
	})
}
