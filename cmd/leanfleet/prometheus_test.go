package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/report"
)

// victoria starts a VictoriaMetrics with three days of three hosts, as
// node_exporter would not name them but leanfleet does, and returns its address.
func victoria(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("victoria-metrics")
	if err != nil {
		t.Skip("SKIPPED: victoria-metrics is not installed; \"make test-deps\" installs it")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, "-storageDataPath="+t.TempDir(), "-retentionPeriod=100y", "-httpListenAddr="+address)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	base := "http://" + address
	for range 200 {
		if r, err := http.Get(base + "/health"); err == nil {
			_ = r.Body.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	var b bytes.Buffer
	for host, dept := range map[string]string{"web-1": "eng", "web-2": "eng", "db-1": "data"} {
		for i := range 3 * 288 { // every 5 minutes, stamped with the end
			at := scriptNow.AddDate(0, 0, -3).Add(time.Duration(i+1) * 5 * time.Minute).UnixMilli()
			cpu := 0.1 + 0.05*math.Sin(float64(i)/20) + float64(len(host))/100
			for name, v := range map[string]float64{"cpu_usage_ratio": cpu, "memory_usage_ratio": 0.3, "capacity_vcpus": 4, "capacity_memory_bytes": 16 << 30} {
				fmt.Fprintf(&b, "leanfleet_%s{host=%q} %.4f %d\n", name, host, v, at)
			}
			fmt.Fprintf(&b, "leanfleet_host_info{host=%q,dept=%q,provider=\"aws\",region=\"us-east-1\",instance_type=\"m5.xlarge\",step=\"5m\"} 1 %d\n", host, dept, at)
		}
	}
	r, err := http.Post(base+"/api/v1/import/prometheus", "text/plain", &b)
	if err != nil || r.StatusCode >= 300 {
		t.Fatal(r, err)
	}
	_ = r.Body.Close()
	// What was taken is not seen at once, and what was asked too early is
	// remembered: its index is written once a second.
	for range 3 {
		time.Sleep(700 * time.Millisecond)
		if r, err = http.Get(base + "/internal/force_flush"); err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
	}
	return base
}

// TestPrometheus: every question is answered from an engine as from its copy in
// the store, and a copy that is there is not made again.
func TestPrometheus(t *testing.T) {
	address := victoria(t)
	home := t.TempDir()
	run := func(args ...string) (int, string, string) {
		t.Helper()
		var out, complaint bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &complaint, now: func() time.Time { return scriptNow }, style: report.Style{}, env: func(name string) (string, bool) {
			v, ok := map[string]string{"HOME": home, "USER": "carlos", "LEANFLEET_DATA": filepath.Join(home, "data")}[name]
			return v, ok
		}}
		return a.run(t.Context(), args), out.String(), complaint.String()
	}
	code, out, complaint := run("import", "prometheus", address, "--range", "7d", "-o", "json")
	var copied leanfleet.CopyResult
	if err := json.Unmarshal([]byte(out), &copied); code != 0 || err != nil || copied.HostDays != 9 || copied.Stored.Inserted != 3*3*288*4 || len(copied.Wrong) > 0 {
		t.Fatalf("%d %v %s %s", code, err, out, complaint)
	}
	if code, out, complaint = run("import", "prometheus", address, "--range", "7d", "-o", "json"); code != 0 || !strings.Contains(out, `"skipped_host_days": 9`) || !strings.Contains(out, `"host_days": 0`) {
		t.Errorf("again: %d %s %s", code, out, complaint)
	}
	for _, question := range []string{
		"stats --range 3d --group-by dept -o csv", "stats --range 3d --metric cpu_cores_used --percentile 90 -o csv",
		"trend --range 3d --step 1d -o csv", "top --range 3d --metric memory_usage -o csv", "hosts -o csv --columns name,provider,region,instance_type,vcpus,memory_bytes,tags",
		"underused --range 3d --below 90% -o csv", "rightsize --range 3d -o csv", "chargeback --start 2024-01-30 --end 2024-01-30 --group-by dept -o csv",
	} {
		args := strings.Fields(question)
		hereCode, here, hereComplaint := run(args...)
		code, there, complaint := run(append(args, "--prometheus", address)...)
		if hereCode != 0 || code != 0 || here != there || strings.Count(here, "\n") < 2 {
			t.Errorf("%s: %d %s\n%sthe copy: %d %s\n%s", question, code, complaint, there, hereCode, hereComplaint, here)
		}
		if !strings.Contains(complaint, address+" answered in ") {
			t.Errorf("%s: what it cost is not told: %s", question, complaint)
		}
	}
	if code, out, complaint := run("hosts", "show", "web-1", "--prometheus", address, "--range", "3d"); code != 0 || !strings.Contains(out, "m5.xlarge") {
		t.Errorf("%d %s %s", code, out, complaint)
	}
	if code, out, complaint := run("stats", "--prometheus", address, "--range", "3d", "--explain-queries"); code != 0 || !strings.Contains(out, "leanfleet_cpu_usage_ratio") || !strings.Contains(out, "3 hosts") {
		t.Errorf("%d %s %s", code, out, complaint)
	}
	if code, _, complaint := run("stats", "--prometheus", address, "--range", "30d"); code != 0 || !strings.Contains(complaint, "has samples from 2024-01-29") {
		t.Errorf("a range beyond what the engine has: %d %s", code, complaint)
	}
	inventory := filepath.Join(home, "hosts.csv")
	if err := os.WriteFile(inventory, []byte("host,tag_dept\nweb-1,shop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, complaint := run("stats", "--prometheus", address, "--range", "3d", "--inventory", inventory, "--group-by", "dept", "-o", "csv", "--columns", "dept"); code != 0 || !strings.Contains(out, "shop") {
		t.Errorf("with an inventory: %d %s %s", code, out, complaint)
	}
	for _, x := range []struct{ args, says string }{
		{"stats --prometheus config", "no prometheus.url"},
		{"stats --explain-queries", "none is named"},
		{"hosts --schema otel", "none is named"},
		{"stats --prometheus ftp://x", "ftp"},
		{"stats --prometheus " + address + " --schema nodes", "nodes"},
		{"stats --prometheus " + address + " --instance-types node_type", "label=NAME"},
		{"rightsize decisions --prometheus " + address, "unknown flag"},
	} {
		if code, _, complaint := run(strings.Fields(x.args)...); code != exitUsage || !strings.Contains(complaint, x.says) {
			t.Errorf("%s: %d %s", x.args, code, complaint)
		}
	}
	if code, _, complaint := run("stats", "--prometheus", "http://127.0.0.1:1"); code != exitFailed || !strings.Contains(complaint, "127.0.0.1:1") {
		t.Errorf("nobody there: %d %s", code, complaint)
	}
}

// TestCredentialsStayHome: what is configured for one engine is not sent to
// another.
func TestCredentialsStayHome(t *testing.T) {
	c := config.Default()
	c.Prometheus.URL, c.Prometheus.Username, c.Prometheus.PasswordFile = "http://ours:9090", "carlos", "/secret"
	c.Prometheus.Headers = map[string]string{"X-Scope-OrgID": "fleet"}
	for address, ours := range map[string]bool{"config": true, "http://ours:9090": true, "http://theirs:9090": false, "http://ours:9091": false} {
		_, o, err := prometheus(c, address, nil, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		if sent := o.Username != "" || o.PasswordFile != "" || len(o.Headers) > 0; sent != ours {
			t.Errorf("%s gets %+v", address, o)
		}
	}
}
