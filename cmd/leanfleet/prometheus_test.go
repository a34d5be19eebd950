package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/prom/source"
)

// installed finds a real engine, or says loudly that it is missing.
func installed(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED: %s is not installed; \"make test-deps\" installs it", name)
	}
	return path
}

// serve starts an engine on a free port, with arguments in which ADDRESS stands
// for it, and returns where it is asked once it answers.
func serve(t *testing.T, ready, path string, args ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "ADDRESS", address)
	}
	c := exec.Command(path, args...)
	c.Dir = t.TempDir()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	base := "http://" + address
	for range 200 {
		if r, err := http.Get(base + ready); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return base
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s does not answer", path)
	return ""
}

// engineSamples are three days of three hosts, a sample every 5 minutes, stamped
// with the end, under leanfleet's own names, with two process groups of one
// host. Times are in milliseconds, or as OpenMetrics has them.
func engineSamples(open bool) *bytes.Buffer {
	var b bytes.Buffer
	each := func(name string, write func(labels string, i int, at string)) {
		if open {
			fmt.Fprintf(&b, "# TYPE %s gauge\n", name)
		}
		for _, host := range []string{"web-1", "web-2", "db-1"} {
			for i := range 3 * 288 {
				at := scriptNow.AddDate(0, 0, -3).Add(time.Duration(i+1) * 5 * time.Minute).Unix()
				stamp := strconv.FormatInt(at, 10)
				if !open {
					stamp += "000"
				}
				write(host, i, stamp)
			}
		}
	}
	for _, name := range []string{"cpu_usage_ratio", "memory_usage_ratio", "capacity_vcpus", "capacity_memory_bytes"} {
		each("leanfleet_"+name, func(host string, i int, at string) {
			cpu := 0.1 + 0.05*math.Sin(float64(i)/20) + float64(len(host))/100
			v := map[string]float64{"cpu_usage_ratio": cpu, "memory_usage_ratio": 0.3, "capacity_vcpus": 4, "capacity_memory_bytes": 16 << 30}[name]
			fmt.Fprintf(&b, "leanfleet_%s{host=%q,step=\"300\"} %.4f %s\n", name, host, v, at)
			if host == "db-1" && strings.HasSuffix(name, "_ratio") {
				fmt.Fprintf(&b, "leanfleet_%s{host=%q,group=\"postgres\",step=\"300\"} %.4f %s\n", name, host, v/2, at)
				fmt.Fprintf(&b, "leanfleet_%s{host=%q,group=\"backup\",step=\"300\"} %.4f %s\n", name, host, v/8, at)
			}
		})
	}
	each("leanfleet_host_info", func(host string, _ int, at string) {
		dept := map[string]string{"web-1": "eng", "web-2": "eng", "db-1": "data"}[host]
		fmt.Fprintf(&b, "leanfleet_host_info{host=%q,dept=%q,provider=\"aws\",region=\"us-east-1\",instance_type=\"m5.xlarge\",step=\"5m\"} 1 %s\n", host, dept, at)
	})
	if open {
		b.WriteString("# EOF\n")
	}
	return &b
}

// victoria is a VictoriaMetrics with the samples.
func victoria(t *testing.T) string {
	t.Helper()
	base := serve(t, "/health", installed(t, "victoria-metrics"), "-storageDataPath="+t.TempDir(), "-retentionPeriod=100y", "-httpListenAddr=ADDRESS")
	r, err := http.Post(base+"/api/v1/import/prometheus", "text/plain", engineSamples(false))
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

// prometheusServer is a Prometheus with the samples, from blocks that promtool
// made.
func prometheusServer(t *testing.T) string {
	t.Helper()
	path, tool, dir := installed(t, "prometheus"), installed(t, "promtool"), t.TempDir()
	samples, settings, blocks := filepath.Join(dir, "samples.txt"), filepath.Join(dir, "prometheus.yml"), filepath.Join(dir, "data")
	for file, text := range map[string][]byte{samples: engineSamples(true).Bytes(), settings: nil} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(tool, "tsdb", "create-blocks-from", "openmetrics", samples, blocks).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	return serve(t, "/-/ready", path, "--config.file="+settings, "--storage.tsdb.path="+blocks, "--storage.tsdb.retention.time=100y", "--web.listen-address=ADDRESS", "--log.level=error")
}

// TestPrometheus: every question is answered from an engine as from its copy in
// the store, and a copy that is there is not made again.
func TestPrometheus(t *testing.T) {
	for name, open := range map[string]func(*testing.T) string{"VictoriaMetrics": victoria, "Prometheus": prometheusServer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkEngine(t, open(t))
		})
	}
}

// runApp runs a command line at a fixed time, and returns its exit code, what it
// prints, and what it prints beside that.
func runApp(t *testing.T, home string, args ...string) (int, string, string) {
	t.Helper()
	var out, complaint bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &complaint, now: func() time.Time { return scriptNow }, style: report.Style{}, env: func(name string) (string, bool) {
		v, ok := map[string]string{"HOME": home, "USER": "carlos", "LEANFLEET_DATA": filepath.Join(home, "data")}[name]
		return v, ok
	}}
	return a.run(t.Context(), args), out.String(), complaint.String()
}

func checkEngine(t *testing.T, address string) {
	home := t.TempDir()
	run := func(args ...string) (int, string, string) { return runApp(t, home, args...) }
	code, out, complaint := run("import", "prometheus", address, "--range", "7d", "-o", "json")
	var copied leanfleet.CopyResult
	if err := json.Unmarshal([]byte(out), &copied); code != 0 || err != nil || copied.HostDays != 9 || copied.Stored.Inserted != 3*3*288*4+3*288*4 || len(copied.Wrong) > 0 {
		t.Fatalf("%d %v %s %s", code, err, out, complaint)
	}
	if code, out, complaint = run("import", "prometheus", address, "--range", "7d", "-o", "json"); code != 0 || !strings.Contains(out, `"skipped_host_days": 9`) || !strings.Contains(out, `"host_days": 0`) {
		t.Errorf("again: %d %s %s", code, out, complaint)
	}
	for _, question := range []string{
		"stats --range 3d --group-by dept -o csv", "stats --range 3d --metric cpu_cores_used --percentile 90 -o csv",
		"trend --range 3d --step 1d -o csv", "top --range 3d --metric memory_usage -o csv",
		"top --groups --range 3d --metric cpu_cores_used -o csv", "hosts -o csv --columns name,provider,region,instance_type,vcpus,memory_bytes,tags",
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
	queries := filepath.Join(home, "queries.yaml")
	if err := os.WriteFile(queries, []byte("prometheus:\n  queries_only: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, complaint := run("stats", "--prometheus", address, "--range", "3d", "--explain-queries", "--config", queries); code != 0 || strings.Contains(out, "/api/v1/read") || !strings.Contains(out, "leanfleet_cpu_usage_ratio") {
		t.Errorf("by queries alone: %d %s %s", code, out, complaint)
	}
	if code, _, complaint := run("stats", "--prometheus", address, "--range", "30d"); code != 0 || !strings.Contains(complaint, "has samples from 2024-01-29") {
		t.Errorf("a range beyond what the engine has: %d %s", code, complaint)
	}
	for _, question := range []string{"chargeback --start 2024-01-02 --end 2024-01-31 --prometheus " + address, "chargeback explain --host web-1 --start 2024-01-02 --end 2024-01-31 --prometheus " + address,
		"backtest --range 30d --prometheus " + address, "import prometheus " + address + " --range 90d"} {
		if code, out, complaint := run(strings.Fields(question)...); code != 0 || !strings.Contains(out+complaint, "has samples from 2024-01-29") {
			t.Errorf("%s: a range beyond what the engine has: %d %s %s", question, code, out, complaint)
		}
	}
	selected := t.TempDir()
	if code, out, complaint := runApp(t, selected, "import", "prometheus", address, "--range", "7d", "-l", "dept=data"); code != 0 {
		t.Errorf("%d %s %s", code, out, complaint)
	}
	if code, out, complaint := runApp(t, selected, "hosts", "-o", "csv", "--columns", "name"); code != 0 || strings.TrimSpace(out) != "host\ndb-1" && strings.TrimSpace(out) != "name\ndb-1" {
		t.Errorf("hosts that were not selected: %d %s %s", code, out, complaint)
	}
	for _, format := range []string{"json", "table"} {
		if code, out, complaint := run("hosts", "--prometheus", address, "--explain-queries", "-o", format); code != 0 || !strings.Contains(out, "/api/v1/label/__name__/values") || !strings.Contains(out, "leanfleet_") || strings.Contains(out, "web-1") {
			t.Errorf("%d %s %s", code, out, complaint)
		}
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
		{"import prometheus " + address + " --hours mon-fri", "copies whole days"},
		{"import prometheus " + address + " --partial", "copies whole days"},
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
	// Hosts without a type have no price: what to do about it is said, and not where
	// they have one.
	if code, _, complaint := run("rightsize", "--range", "3d", "--prometheus", address, "--instance-types", "label=node_type"); code != 0 || !strings.Contains(complaint, "3 of 3 hosts have no instance type, and so no price: --inventory FILE") {
		t.Errorf("no types: %d %s", code, complaint)
	}
	if code, _, complaint := run("rightsize", "--range", "3d", "--prometheus", address); code != 0 || strings.Contains(complaint, "no instance type") {
		t.Errorf("types: %d %s", code, complaint)
	}
	// A type of nobody's: the provider is missing. Samples of 3 days are not those of
	// the 30 that were asked for, also where advice is about the days that have some.
	if code, _, complaint := run("rightsize", "--range", "30d", "--prometheus", address, "--inventory", untyped(t, home)); code != 0 || !strings.Contains(complaint, "1 host with a type but without a provider, such as nobody: ") || !strings.Contains(complaint, "3.0 d of the 30.0 d asked for") {
		t.Errorf("no provider: %d %s", code, complaint)
	}
	// Another schema than the one that is there: it is said which that is.
	for _, verb := range []string{"stats", "top --groups", "import prometheus " + address} {
		args := append(strings.Fields(verb), "--range", "3d", "--schema", "node_exporter")
		if !strings.HasPrefix(verb, "import") {
			args = append(args, "--prometheus", address)
		}
		if code, out, complaint := run(args...); code != exitFailed || out != "" || !strings.Contains(complaint, "has no series of node_exporter in the last 400 days, but has some of leanfleet: ask for the schema leanfleet") {
			t.Errorf("%s: %d %s %s", verb, code, out, complaint)
		}
	}
	// Advice about some hosts reads all, and says so before; matchers narrow it, for
	// copies too.
	for _, verb := range []string{"rightsize", "backtest"} {
		args := []string{verb, "--range", "3d", "--prometheus", address}
		if code, out, complaint := run(append(args, "-l", "dept=data")...); code != 0 || !strings.Contains(complaint, "The whole fleet is read (3 hosts), though -l selects 1: ") {
			t.Errorf("%s: %d %s %s", verb, code, out, complaint)
		}
		for _, whole := range [][]string{args, append(args, "-l", "dept=data", "--matchers", `host="db-1"`)} {
			if code, out, complaint := run(whole...); code != 0 || strings.Contains(complaint, "though -l selects") {
				t.Errorf("%s: %d %s %s", whole, code, out, complaint)
			}
		}
	}
	narrow := t.TempDir()
	if code, out, complaint := runApp(t, narrow, "import", "prometheus", address, "--range", "7d", "--matchers", `host=~"web-.*"`, "-o", "json"); code != 0 || !strings.Contains(out, `"host_days": 6`) {
		t.Errorf("%d %s %s", code, out, complaint)
	}
	// An empty answer names a verb that asks the engine, too.
	if code, out, complaint := run("stats", "--range", "3d", "--metric", "load1", "--prometheus", address); code != 0 || !strings.Contains(out+complaint, "leanfleet hosts show HOST --prometheus "+address+" counts") || strings.Contains(out+complaint, "leanfleet status") {
		t.Errorf("%d %s %s", code, out, complaint)
	}
	if code, _, complaint := run("stats", "--prometheus", "http://127.0.0.1:1"); code != exitFailed || !strings.Contains(complaint, "127.0.0.1:1") {
		t.Errorf("nobody there: %d %s", code, complaint)
	}
}

// untyped is an inventory of a host with a type that no provider has.
func untyped(t *testing.T, home string) string {
	t.Helper()
	path := filepath.Join(home, "untyped.csv")
	if err := os.WriteFile(path, []byte("host,instance_type\nnobody,own.large\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
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
		if o.Retries != 0 { // the library's own
			t.Errorf("%s: tried again %d times", address, o.Retries)
		}
		if sent := o.Username != "" || o.PasswordFile != "" || len(o.Headers) > 0; sent != ours {
			t.Errorf("%s gets %+v", address, o)
		}
	}
}

// TestEngineHints: an error of an engine says what can be done about it.
func TestEngineHints(t *testing.T) {
	for _, x := range []struct {
		answer func(http.ResponseWriter)
		says   []string
	}{
		{func(w http.ResponseWriter) { http.Error(w, "no org id", http.StatusUnauthorized) }, []string{"answered 401: no org id", "X-Scope-OrgID", "--prometheus config"}},
		{func(w http.ResponseWriter) { http.Error(w, "not yours", http.StatusForbidden) }, []string{"answered 403: not yours", "section prometheus of the configuration"}},
		{func(w http.ResponseWriter) { http.Error(w, "404 page not found", http.StatusNotFound) }, []string{"404 page not found", "stands before /api/v1"}},
		{func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://sso.example.org/login")
			w.WriteHeader(http.StatusFound)
		}, []string{"goes to https://sso.example.org/login", "stands before /api/v1"}},
		{func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>Grafana</html>")
		}, []string{"a web page", "stands before /api/v1"}},
		{func(w http.ResponseWriter) {
			fmt.Fprint(w, `{"status":"success","warnings":["store 10.0.0.9 is away"],"data":{"resultType":"vector","result":[]}}`)
		}, []string{"store 10.0.0.9 is away", "allow_partial: true"}},
		{func(w http.ResponseWriter) { http.Error(w, "draining", http.StatusNotImplemented) }, []string{"answered 501: draining"}},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { x.answer(w) }))
		for _, args := range [][]string{{"stats", "--prometheus", server.URL}, {"import", "prometheus", server.URL}} {
			code, out, complaint := runApp(t, t.TempDir(), args...)
			for _, says := range append(x.says, server.URL) {
				if code != exitFailed || out != "" || !strings.Contains(complaint, says) {
					t.Errorf("%s: %d %s %s, does not say %q", args, code, out, complaint, says)
				}
			}
		}
		server.Close()
	}
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if code, _, complaint := runApp(t, t.TempDir(), "stats", "--prometheus", server.URL); code != exitFailed || !strings.Contains(complaint, "prometheus.ca_file") {
		t.Errorf("%d %s", code, complaint)
	}
	// A certificate of somebody else: httptest's is not one of localhost's.
	if code, _, complaint := runApp(t, t.TempDir(), "stats", "--prometheus", strings.Replace(server.URL, "127.0.0.1", "localhost", 1)); code != exitFailed || !strings.Contains(complaint, "x509: certificate is valid for ") || !strings.Contains(complaint, "prometheus.server_name") {
		t.Errorf("%d %s", code, complaint)
	}
	for says, err := range map[string]error{
		"prometheus.allow_partial": &source.EngineError{Status: 422, Type: "execution", Message: `proxy Series(): rpc error: code = Aborted desc = fetch series for {cluster="eu"} 10.0.0.7:10901: rpc error: code = Unavailable`},
		"aws-sigv4-proxy":          &source.EngineError{Status: 403, Message: `{"message":"Missing Authentication Token"}`, Address: "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1"},
		"prometheus.timeout":       &source.EngineError{Status: 503, Type: "timeout", Message: "query timed out in expression evaluation"},
	} {
		if text := withHint(err).Error(); !strings.Contains(text, says) || !strings.HasPrefix(text, err.Error()+"\n") {
			t.Errorf("%s does not say %s", text, says)
		}
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	if code, _, complaint := runApp(t, t.TempDir(), "stats", "--prometheus", strings.Replace(plain.URL, "http:", "https:", 1)); code != exitFailed || !strings.Contains(complaint, "It speaks http://, not https://.") {
		t.Errorf("%d %s", code, complaint)
	}
}

// TestRefusedFlagsAreNotOffered: flags that a copy refuses are not in its help.
func TestRefusedFlagsAreNotOffered(t *testing.T) {
	code, out, complaint := runApp(t, t.TempDir(), "import", "prometheus", "--help")
	if code != 0 || !strings.Contains(out, "--range") || !strings.Contains(out, "--matchers") || strings.Contains(out, "--hours") || strings.Contains(out, "--partial") {
		t.Errorf("%d %s %s", code, out, complaint)
	}
}

// TestMatchersAreAdded: those of a question stand beside the configured ones.
func TestMatchersAreAdded(t *testing.T) {
	for _, x := range []struct{ configured, asked, want string }{
		{"", "", ""}, {`job="node"`, "", `job="node"`}, {"", `a="b"`, `a="b"`}, {`job="node", `, `a="b",`, `job="node",a="b"`},
	} {
		c := config.Default()
		c.Prometheus.Matchers = x.configured
		if _, o, err := prometheus(c, "http://ours:9090", (&engineFlags{matchers: x.asked}).settings(), time.Now); err != nil || o.Matchers != x.want {
			t.Errorf("%+v: %q, error %v", x, o.Matchers, err)
		}
	}
}
