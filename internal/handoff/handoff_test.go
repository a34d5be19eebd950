package handoff

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/rightsizing"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run the test with -update, then read the change):\n%s", name, got)
	}
}

func share(v float64) *float64 { return &v }

func usd(minor int64) *money.Amount {
	a := money.FromMinor(minor, money.USD)
	return &a
}

// line is a change of a host that saves something.
func line(host, name, provider, region, from, to string, saved int64) rightsizing.Recommendation {
	return rightsizing.Recommendation{
		Host: fleet.HostID(host), Name: name, Provider: provider, Region: region, Tags: fleet.Tags{"dept": "eng"},
		Current: rightsizing.Size{InstanceType: from, MonthlyCost: usd(2 * saved)}, Finding: rightsizing.FindingOverProvisioned,
		Recommended: &rightsizing.Size{InstanceType: to, MonthlyCost: usd(saved)}, Kind: rightsizing.KindShrink, BreakProbability: share(0.031), Confidence: share(0.969),
		Savings: rightsizing.Savings{MonthlySavings: usd(saved)}, Effort: advice.EffortLow,
		Checks: []advice.Check{{Code: advice.CheckMemory, Text: "16 GiB of memory in place of 32 GiB."}},
	}
}

// answer is advice for hosts of three clouds, some of them called what nobody
// should call a host.
func answer() *rightsizing.Result {
	list := []rightsizing.Recommendation{
		line("aws/123456789012/i-0abc12345def67890", "web-1", "aws", "us-east-1", "m5.2xlarge", "m5.large", 21024),
		line("web-2", "web-2", "aws", "eu-west-1", "c5.xlarge", "c7a.medium", 8664),
		line("azure/sub/0A1B2C3D-1111-2222-3333-444455556666", "report-1", "azure", "eastus", "Standard_D4s_v3", "Standard_D2s_v5", 7000),
		line("report-2", "report-2", "azure", "eastus", "Standard_D4s_v3", "Standard_D2s_v5", 6999),
		line("/subscriptions/0a1b2c3d-1111-2222-3333-444455556666/resourceGroups/rg (1)/providers/Microsoft.Compute/virtualMachines/report-3", "report-3", "azure", "eastus", "Standard_D4s_v3", "Standard_D2s_v5", 6998),
		line("/subscriptions/0a1b2c3d-1111-2222-3333-444455556666/resourceGroups/rg-1/providers/Microsoft.Compute/virtualMachines/report-4", "report-4", "azure", "eastus", "Standard_D4s_v3", "Standard_D2s_v5", 6997),
		line("batch-1", "batch-1", "gcp", "us-central1", "n2-standard-4", "e2-standard-2", 6452),
		line("batch-2", "batch-2", "gcp", "us-central1", "n2-standard-4", "e2-standard-2", 6451),
		line(`x"; touch owned #`, `x"; touch owned #`, "aws", "us-east-1", "m5.large", "m5.medium", 300),
		line("nl", "a\ntouch owned\n#", "aws", "us-east-1", "m5.large", "m5.medium", 299),
		line("sub", "$(touch owned)", "azure", "eastus", "m5.large", "Standard_B2s", 298),
		line("tick", "`touch owned`", "gcp", "us-central1", "m5.large", "e2-small", 297),
		line("i-0123456789abcdef0", "it's; touch owned", "aws", "us-east-1", "m5.large", "m5.medium", 296),
		line("i-0123456789abcdef1", "ok-1", "aws", "us-east-1; touch owned", "m5.large", "m5.medium", 295),
		line("i-0123456789abcdef2", "ok-2", "aws", "us-east-1", "m5.large", "m5.medium\" ; touch owned", 294),
		line("i-0123456789abcdef3", "ok-3", "aws", "", "m5.large", "m5.medium", 293),
		line("i-0123456789abcdef4", "--profile=evil", "aws", "us-east-1", "m5.large", "m5.medium", 292),
		line("opt", "--profile=evil", "aws", "us-east-1", "m5.large", "m5.medium", 291),
		line("group:aws/1/us-east-1/asg-web", "asg-web", "aws", "us-east-1", "m5.xlarge", "m5.large", 20000),
		line("group:azure/1/eastus/ss", "ss", "azure", "eastus", "Standard_D4s_v3", "Standard_D2s_v5", 2000),
		line("group:gcp/1/us-central1/mig", "mig", "gcp", "us-central1", "n2-standard-4", "e2-standard-2", 2000),
		line("group:aws/1/us-east-1/evil\n", "evil\ntouch owned", "aws", "us-east-1", "m5.xlarge", "m5.large", 1999),
		line("prem/h", "prem", "", "", "custom", "custom-2", 5),
		{Host: "kept", Name: "kept", Provider: "aws", Finding: rightsizing.FindingRightSized},
	}
	list[0].Account, list[0].Effort = "123456789012", advice.EffortMedium
	list[0].Checks = append(list[0].Checks, advice.Check{Code: advice.CheckHypervisor, Text: "drivers\nfor Nitro"})
	list[2].Account = "0A1B2C3D-0000-2222-3333-444455556666"
	list[6].Zone, list[6].Account = "us-central1-a", "my-project"
	for i := range list {
		if strings.HasPrefix(string(list[i].Host), "group:") {
			list[i].OwnedBy = list[i].Name
			list[i].Members = []rightsizing.Member{{Host: "a"}, {Host: "b"}, {Host: "c"}}
		}
	}
	idle := line("i-0123456789abcdef9", "sleepy", "aws", "us-east-1", "m5.large", "t3.micro", 100)
	idle.Finding, idle.Idle = rightsizing.FindingIdle, &rightsizing.Idle{StopMonthlySavings: usd(200)}
	list = append(list, idle)
	return &rightsizing.Result{AsOf: time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC), Policy: "leanfleet", Confidence: 0.95, MaxRisk: 0.3,
		Currency: money.USD, Recommendations: list}
}

// recorder is a cloud's command line that writes down its arguments and says of
// hosts what their names ask for.
const recorder = `#!/usr/bin/env bash
{ printf '%s' "${0##*/}"; printf '|%s' "$@"; printf '\n'; } >>"$RECORD"
case "$*" in
*"$REFUSE"*) [ -n "$REFUSE" ] && exit 7 ;;
esac
case "$*" in
*describe-instances*web-2*) printf 'i-0aaaaaaaaaaaaaaa2\n' ;;
*describe-instances*) printf '%s' "$TWICE" ;;
*"vm list"*report-2*) echo /subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/report-2 ;;
*"vm list"*vmId*) echo '/subscriptions/s/resourceGroups/g 1/providers/Microsoft.Compute/virtualMachines/report-1' | tr ' ' '_' ;;
*"instances list"*batch-2*) echo us-central1-f ;;
*get-instance-view*) printf '%s' "$POWER" ;;
esac
`

// play runs a script with recorders in place of the clouds' programs; it returns
// what they were called with.
func play(t *testing.T, script string, env ...string) (calls []string, output string, code int) {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skipf("no bash on this machine: %v", err)
	}
	bin, work := t.TempDir(), t.TempDir()
	for _, name := range []string{"aws", "az", "gcloud"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(recorder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(work, "script.sh")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(bash, "-n", file).CombinedOutput(); err != nil {
		t.Fatalf("bash -n: %v\n%s", err, out)
	}
	record := filepath.Join(bin, "record")
	cmd := exec.Command(bash, file)
	cmd.Dir = work
	cmd.Env = append([]string{"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "RECORD=" + record, "REFUSE=", "TWICE=", "POWER=PowerState/deallocated"}, env...)
	out, _ := cmd.CombinedOutput()
	if entries, _ := os.ReadDir(work); len(entries) != 1 {
		t.Errorf("the script did something of its own: %v", entries)
	}
	raw, _ := os.ReadFile(record)
	return strings.Split(strings.TrimSpace(string(raw)), "\n"), string(out), cmd.ProcessState.ExitCode()
}

// TestScripts reads and runs the script of each tool: it calls what it should
// with the arguments it should, and nothing that hides in a name.
func TestScripts(t *testing.T) {
	r := answer()
	for _, tool := range []Tool{AWS, Azure, GCP} {
		t.Run(string(tool), func(t *testing.T) {
			changes, left := Changes(r, false)
			text, all, err := Render(tool, r, changes, left)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, string(tool)+".golden.sh", text)
			again, _, err := Render(tool, r, changes, left)
			if err != nil || again != text {
				t.Errorf("written again it differs: %v", err)
			}
			if len(all)+strings.Count(text, "\n# --- ") != len(changes) {
				t.Errorf("%d left out and %d blocks of %d changes", len(all), strings.Count(text, "\n# --- "), len(changes))
			}
			calls, output, _ := play(t, text)
			golden(t, string(tool)+".calls", strings.Join(calls, "\n")+"\n--- output\n"+output)
		})
	}
}

// TestRefusedChange: a host whose change is refused is started again, said, and
// the others go on.
func TestRefusedChange(t *testing.T) {
	r := answer()
	r.Recommendations = r.Recommendations[:2]
	changes, _ := Changes(r, false)
	text, _, err := Render(AWS, r, changes, nil)
	if err != nil {
		t.Fatal(err)
	}
	calls, output, code := play(t, text, `REFUSE=--instance-type {"Value":"m5.large"}`)
	if code != 1 || !strings.Contains(output, "not changed: web-1") || strings.Contains(output, "not changed: web-2") {
		t.Errorf("exit code %d, output %q", code, output)
	}
	all := strings.Join(calls, "\n")
	if !strings.Contains(all, "start-instances|--region|us-east-1|--instance-ids|i-0abc12345def67890") || !strings.Contains(all, `i-0aaaaaaaaaaaaaaa2|--instance-type|{"Value":"c7a.medium"}`) {
		t.Errorf("calls:\n%s", all)
	}
	if _, output, code := play(t, text); code != 0 || output != "" {
		t.Errorf("without a refusal: %d, %q", code, output)
	}
}

// TestStoppedHosts: a host that is known to be stopped gets its new type and is
// neither stopped nor started; one of Azure that runs after all is left alone.
func TestStoppedHosts(t *testing.T) {
	r := answer()
	var list []rightsizing.Recommendation
	for _, i := range []int{0, 1, 2, 3, 5, 6, 7} { // by id and by name, of each cloud
		l := r.Recommendations[i]
		l.State, l.Idle = fleet.StateStopped, &rightsizing.Idle{StopMonthlySavings: usd(1)}
		list = append(list, l)
	}
	r.Recommendations = list
	changed := map[Tool]string{AWS: "modify-instance-attribute", Azure: "vm|resize", GCP: "set-machine-type"}
	for tool, change := range changed {
		changes, left := Changes(r, false)
		text, _, err := Render(tool, r, changes, left)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, "# stopped, and not started") || strings.Contains(text, "It is idle") {
			t.Errorf("%s:\n%s", tool, text)
		}
		calls, output, code := play(t, text, "TWICE=i-0aaaaaaaaaaaaaaa2")
		all := strings.Join(calls, "\n")
		if code != 0 || output != "" || strings.Count(all, change) != strings.Count(text, "\n# --- ") || strings.Contains(all, "|start") || strings.Contains(all, "stop-instances") || strings.Contains(all, "|stop|") || strings.Contains(all, "|deallocate|") {
			t.Errorf("%s: exit code %d, output %q, calls\n%s", tool, code, output, all)
		}
		if tool == AWS && !strings.Contains(all, `"instance-state-name","Values":["stopped"]`) {
			t.Errorf("a stopped instance is looked for among others:\n%s", all)
		}
		if tool != Azure {
			continue
		}
		calls, output, code = play(t, text, "POWER=PowerState/running")
		if all := strings.Join(calls, "\n"); code != 1 || strings.Contains(all, change) || !strings.Contains(output, "not changed: report-2 is not deallocated") {
			t.Errorf("%s, running: exit code %d, output %q, calls\n%s", tool, code, output, all)
		}
	}
}

// TestAmbiguousName: a name that several instances have, or none, changes
// nothing.
func TestAmbiguousName(t *testing.T) {
	r := answer()
	l := r.Recommendations[1]
	l.Name, l.Host = "elsewhere", "elsewhere"
	r.Recommendations = []rightsizing.Recommendation{l}
	changes, _ := Changes(r, false)
	text, _, _ := Render(AWS, r, changes, nil)
	for twice, want := range map[string]string{"i-0a\ti-0b\n": "several instances have this name", "": "no running instance has this name in eu-west-1"} {
		calls, output, code := play(t, text, "TWICE="+twice)
		if code != 1 || len(calls) != 1 || !strings.Contains(output, want) {
			t.Errorf("found %q: exit code %d, calls %v, output %q", twice, code, calls, output)
		}
	}
}

// TestAccepted: only what was accepted is handed off, to the type accepted.
func TestAccepted(t *testing.T) {
	r := answer()
	at := time.Date(2024, 1, 31, 0, 0, 0, 0, time.UTC)
	accept := func(i int, to string) {
		r.Recommendations[i].Decision = &advice.Decision{Host: string(r.Recommendations[i].Host), To: to, Action: advice.DecisionAccept, Who: "carlos", Why: "sleeps\nat night", At: at, MonthlySavings: usd(4242)}
	}
	accept(0, "m5.large")
	accept(1, "c6i.large")
	accept(2, "Standard_D4s_v3")
	accept(23, "")
	accept(6, "e2-medium")
	r.Recommendations[6].Options = []rightsizing.Option{{Size: rightsizing.Size{InstanceType: "e2-medium"}, Kind: rightsizing.KindShrink, BreakProbability: 0.2, Savings: rightsizing.Savings{MonthlySavings: usd(7000)}}}
	r.Recommendations[3].Decision = &advice.Decision{Host: "report-2", Action: advice.DecisionDismiss, At: at}
	changes, left := Changes(r, true)
	var got []string
	for _, c := range changes {
		risk := "?"
		if c.Risk != nil {
			risk = chance(c.Risk)
		}
		got = append(got, c.Line.Name+" "+c.To+" "+amount(c.MonthlySavings)+" "+risk)
	}
	want := "web-1 m5.large 210.24 USD 3.1 %, batch-1 e2-medium 70.00 USD 20.0 %, web-2 c6i.large 42.42 USD ?"
	if strings.Join(got, ", ") != want {
		t.Errorf("changes: %s", strings.Join(got, ", "))
	}
	if len(left) != 2 || !strings.Contains(left[0].Reason, "already") || !strings.Contains(left[1].Reason, "none is advised") {
		t.Errorf("left: %+v", left)
	}
	text, _, err := Render(AWS, r, changes, left)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`# accepted by carlos on 2024-01-31: sleeps\nat night`, "of 1 the chance is not known", "# left out: 1 change: of gcp, not aws; use -o gcloud"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if _, _, err := Render("pulumi", r, changes, left); err == nil {
		t.Error("a tool that nobody knows")
	}
}

// TestTerraform: the variables are JSON that Terraform reads, whatever the
// names.
func TestTerraform(t *testing.T) {
	r := answer()
	r.Recommendations = append(r.Recommendations, line("other/web-1", "web-1", "aws", "us-east-1", "m5.2xlarge", "m5.large", 5))
	changes, left := Changes(r, false)
	text, _, err := Render(Terraform, r, changes, left)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "terraform.golden.json", text)
	var d map[string]map[string]string
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	if n := len(d["instance_types"]) + len(d["scaling_group_instance_types"]); n != len(changes) {
		t.Errorf("%d variables for %d changes", n, len(changes))
	}
	program, err := exec.LookPath("terraform")
	if err != nil {
		t.Skipf("terraform is not installed: the variables were not read by it (%v)", err)
	}
	dir := t.TempDir()
	const module = "variable \"instance_types\" {\n  type = map(string)\n}\nvariable \"scaling_group_instance_types\" {\n  type = map(string)\n}\n"
	for name, text := range map[string]string{"main.tf": module, "right.auto.tfvars.json": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "console")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader("length(var.instance_types)\nvar.instance_types[\"web-2\"]\n")
	cmd.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE=/dev/null")
	out, err := cmd.Output()
	if err != nil || !bytes.Contains(out, []byte("c7a.medium")) {
		t.Errorf("terraform console: %v\n%s", err, out)
	}
}

// TestQuote: bash reads back every text as one word.
func TestQuote(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skipf("no bash on this machine: %v", err)
	}
	check := func(t interface{ Errorf(string, ...any) }, texts []string) {
		var script strings.Builder
		script.WriteString("set -f\nprintf '%s\\0'")
		for _, s := range texts {
			q := quote(s)
			if strings.ContainsAny(q, "\n\r") {
				t.Errorf("%q is quoted over lines: %q", s, q)
			}
			script.WriteString(" " + q)
		}
		cmd := exec.Command(bash)
		cmd.Stdin = strings.NewReader(script.String())
		cmd.Env = []string{"LC_ALL=C"}
		out, err := cmd.Output()
		if want := strings.Join(texts, "\x00") + "\x00"; err != nil || string(out) != want {
			t.Errorf("%q came back as %q, %v", texts, out, err)
		}
	}
	check(t, []string{"", "a", "a b", "it's", `"`, "$(x)", "`x`", "a\nb", "\\", "\x01f", "'\n'", "ü", "\xff1", "-n", "*", "~", "a\u2028b", "!x", "\u202e"})
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("a1'\"\\$`(){};&|<>*?[]#~!- \n\t\x01ü\u202e")), 0, 12, -1), 1, 20).Draw(t, "texts")
		check(t, list)
	})
}

// TestComment: whatever a text holds, it stays one line.
func TestComment(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := comment(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	f(`it's "fine" ü`, `it's "fine" ü`)
	f("a\nrm -rf /", `a\nrm -rf /`)
	f("a\r\u2028b\u202e\xff", `a\r\u2028b\u202e\xff`)
	rapid.Check(t, func(t *rapid.T) {
		s := comment(rapid.String().Draw(t, "text"))
		if strings.ContainsAny(s, "\n\r\u2028\u2029") {
			t.Errorf("%q", s)
		}
	})
}
