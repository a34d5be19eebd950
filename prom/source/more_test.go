package source_test

import (
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/prom/source"
)

// authority makes certificates that one CA signed, as PEM files.
type authority struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.key, a.cert, a.file, _ = a.make("ca", true)
	return a
}

func (a *authority) make(name string, ca bool) (*ecdsa.PrivateKey, *x509.Certificate, string, string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	parent, signer := c, key
	if !ca {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return key, cert, certFile, keyFile
}

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	_, _, certFile, keyFile := a.make("server", false)
	_, _, clientCert, clientKey := a.make("client", false)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	f, _ := newFake(t)
	server := httptest.NewUnstartedServer(f)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	for _, c := range []struct {
		change func(*source.Options)
		want   string // of the error
	}{
		{func(o *source.Options) { o.CAFile, o.CertFile, o.KeyFile = a.file, clientCert, clientKey }, ""},
		{func(o *source.Options) { o.Insecure, o.CertFile, o.KeyFile = true, clientCert, clientKey }, ""},
		{func(o *source.Options) { o.CertFile, o.KeyFile = clientCert, clientKey }, "x509"},
		{func(o *source.Options) { o.CAFile = a.file }, "certificate"},
		{func(o *source.Options) {
			o.CAFile, o.CertFile, o.KeyFile, o.ServerName = a.file, clientCert, clientKey, "elsewhere.example.org"
		}, "elsewhere.example.org"},
	} {
		list, _, err := askFake(t, server.URL, c.change)
		if c.want == "" && (err != nil || len(list) != 2) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%d profiles, error %v, want %q", len(list), err, c.want)
		}
	}
}

func TestSecretsInFiles(t *testing.T) {
	f, server := newFake(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, s, err := askFake(t, server.URL, func(o *source.Options) { o.BearerTokenFile = file })
	if err != nil || f.headers.Get("Authorization") != "Bearer first" {
		t.Errorf("authorization %q, error %v", f.headers.Get("Authorization"), err)
	}
	if err := os.WriteFile(file, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Profiles(t.Context(), fleet.Query{Metric: fleet.CPUUsage, Window: fleet.Window{Start: begin, End: begin.Add(time.Hour)}}) {
		if err != nil || f.headers.Get("Authorization") != "Bearer second" {
			t.Errorf("authorization %q, error %v", f.headers.Get("Authorization"), err)
		}
	}
	if _, _, err := askFake(t, server.URL, func(o *source.Options) { o.Username, o.PasswordFile = "me", file+".none" }); err == nil || !strings.Contains(err.Error(), "password") {
		t.Errorf("error %v", err)
	}
}

// A thousand questions do not run at once.
func TestConcurrencyIsBounded(t *testing.T) {
	f, server := newFake(t)
	f.hosts = nil
	for i := range 40 {
		f.hosts = append(f.hosts, fmt.Sprintf("h%02d:9100", i))
	}
	running, most := make(chan struct{}, 100), 0
	f.before = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		running <- struct{}{}
		f.mu.Lock()
		most = max(most, len(running))
		f.mu.Unlock()
		time.Sleep(2 * time.Millisecond)
		<-running
		return false
	}
	list, _, err := askFake(t, server.URL, func(o *source.Options) { o.Concurrency, o.BatchSamples = 3, 1440 })
	if err != nil || len(list) != 40 || most > 3 || most < 2 {
		t.Errorf("%d profiles, %d requests at once, error %v", len(list), most, err)
	}
}

// Where many samples would have to be looked through, hosts are found by a few
// metrics, and those that lack these by all.
func TestFewMetricsFindHosts(t *testing.T) {
	for name, open := range map[string]func(testing.TB) writer{
		"VictoriaMetrics": func(t testing.TB) writer { return newVictoria(t) },
		"Prometheus":      func(t testing.TB) writer { return newPrometheus(t) },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, open(t), source.Options{}.LookingThrough(1))
			hour := func(host string, m fleet.Metric, from int) fleet.Batch {
				b := fleet.Batch{Host: fleet.HostID(host), Origin: fleet.OriginImport, Step: 60000, Columns: []fleet.Column{{Metric: m}}}
				for i := range 60 {
					b.Start = append(b.Start, begin.Add(time.Duration(from)*time.Hour+time.Duration(i)*time.Minute).UnixMilli())
					b.Columns[0].Values = append(b.Columns[0].Values, int32(i))
				}
				return b
			}
			if _, err := e.Append(t.Context(), []fleet.Batch{hour("a", fleet.CPUUsage, 0), hour("a", lookup("load1"), 0), hour("b", lookup("load1"), 3), hour("c", fleet.MemoryUsage, 30)}); err != nil {
				t.Fatal(err)
			}
			records, err := e.Records(t.Context(), fleet.Selector{}, fleet.Window{})
			if err != nil || len(records) != 3 {
				t.Fatalf("records %+v, error %v", records, err)
			}
			for i, from := range []int{0, 3, 30} {
				if w := records[i].Seen; !w.Start.Equal(begin.Add(time.Duration(from)*time.Hour)) || !w.End.Equal(begin.Add(time.Duration(from+1)*time.Hour)) {
					t.Errorf("%s was seen in %s", records[i].Host, w)
				}
			}
		})
	}
}

// What labels cannot say is said.
func TestStoredSeriesWithoutTheirLabels(t *testing.T) {
	w := newVictoria(t)
	series := func(labels map[string]string) testSeries {
		s := testSeries{labels: labels}
		labels["__name__"] = "leanfleet_cpu_usage_ratio"
		for i := range 20 {
			s.times, s.values = append(s.times, begin.Add(time.Duration(i+1)*5*time.Minute).UnixMilli()), append(s.values, 0.5)
		}
		return s
	}
	w.write(t, []testSeries{series(map[string]string{"host": "a", "run": "plain"}), series(map[string]string{"host": "a", "step": "soon", "run": "wrong"}), series(map[string]string{"machine": "a", "step": "300", "run": "other"})})
	w.settle(t)
	ask := func(run string, change func(*source.Options)) ([]fleet.Profile, error) {
		o := source.Options{URL: w.url(), Now: time.Now, Lookback: 10 * 365 * 24 * time.Hour, Matchers: `run="` + run + `"`}
		if change != nil {
			change(&o)
		}
		s, err := source.New(o)
		if err != nil {
			t.Fatal(err)
		}
		var list []fleet.Profile
		for p, err := range s.Profiles(t.Context(), fleet.Query{Metric: fleet.CPUUsage, Window: fleet.Window{Start: begin, End: begin.Add(time.Hour)}}) {
			if err != nil {
				return nil, err
			}
			list = append(list, p)
		}
		return list, nil
	}
	// Without a step the time between samples is one.
	if list, err := ask("plain", nil); err != nil || len(list) != 1 || list[0].Count != 12 || list[0].Covered != time.Hour {
		t.Errorf("profiles %+v, error %v", list, err)
	}
	if _, err := ask("wrong", nil); err == nil || !strings.Contains(err.Error(), `host a: label step="soon" is not seconds`) {
		t.Errorf("error %v", err)
	}
	if _, err := ask("other", nil); err == nil || !strings.Contains(err.Error(), "no label host; they have __name__, machine, run, step") {
		t.Errorf("error %v", err)
	}
	if list, err := ask("other", func(o *source.Options) { o.HostLabel = "machine" }); err != nil || len(list) != 1 || list[0].Count != 12 {
		t.Errorf("profiles %+v, error %v", list, err)
	}
	if _, err := ask("nothing", nil); err == nil || !strings.Contains(err.Error(), "no series of leanfleet, node_exporter") || !strings.Contains(err.Error(), `run="nothing"`) {
		t.Errorf("error %v", err)
	}
}

// The step that is not over yet is no sample.
func TestNothingOfTheStepThatIsNotOver(t *testing.T) {
	f, server := newFake(t)
	now := begin.Add(10*time.Hour + 30*time.Second)
	f.last = now
	_, s, err := askFake(t, server.URL, func(o *source.Options) { o.Now = func() time.Time { return now } })
	if err != nil {
		t.Fatal(err)
	}
	list := profilesOf(t, s, fleet.Query{Metric: fleet.CPUUsage, Window: fleet.Window{Start: begin.Add(9 * time.Hour), End: now}})
	if len(list) != 2 || list[0].Count != 60 || list[0].Expected != time.Hour || !list[0].Record.Seen.End.Equal(begin.Add(10*time.Hour)) {
		t.Errorf("profiles %+v", list)
	}
}

// Process groups are leanfleet's own: of others there is an error, not an empty
// answer.
func TestGroupsAreRefused(t *testing.T) {
	_, server := newFake(t)
	_, s, err := askFake(t, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range s.Profiles(t.Context(), fleet.Query{Metric: fleet.CPUUsage, Groups: true, Window: fleet.Window{Start: begin, End: begin.Add(time.Hour)}}) {
		n++
		if err == nil || !strings.Contains(err.Error(), "process groups are read from leanfleet's own series only, and these are of node_exporter") {
			t.Errorf("error %v", err)
		}
	}
	if n != 1 {
		t.Errorf("%d answers, not one error", n)
	}
}

// Labels of leanfleet's own info series tell what hosts were, through time.
func TestHostInfoThroughTime(t *testing.T) {
	for name, open := range map[string]func(testing.TB) writer{
		"VictoriaMetrics": func(t testing.TB) writer { return newVictoria(t) },
		"Prometheus":      func(t testing.TB) writer { return newPrometheus(t) },
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			series := func(from, to int, labels map[string]string) testSeries {
				s := testSeries{labels: labels}
				labels["host"] = "a"
				for i := from; i < to; i++ {
					s.times, s.values = append(s.times, begin.Add(time.Duration(i+1)*time.Minute).UnixMilli()), append(s.values, 1)
				}
				return s
			}
			w.write(t, []testSeries{
				series(0, 600, map[string]string{"__name__": "leanfleet_cpu_usage_ratio", "step": "60"}),
				series(0, 300, map[string]string{"__name__": "leanfleet_host_info", "region": "eu-west-1", "instance_type": "m5.large", "tag_dept": "eng", "tag_env": "prod"}),
				series(300, 600, map[string]string{"__name__": "leanfleet_host_info", "region": "eu-west-1", "instance_type": "m5.xlarge", "tag_dept": "data"}),
			})
			w.settle(t)
			s, err := source.New(source.Options{URL: w.url(), Now: time.Now, Lookback: 10 * 365 * 24 * time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			records, err := s.Records(t.Context(), fleet.Selector{}, fleet.Window{})
			if err != nil || len(records) != 2 {
				t.Fatalf("records %+v, error %v", records, err)
			}
			a, b := records[0], records[1]
			if a.InstanceType != "m5.large" || b.InstanceType != "m5.xlarge" || a.Region != "eu-west-1" || b.Region != "eu-west-1" || a.Tags["dept"] != "eng" || b.Tags["dept"] != "data" || a.Tags["env"] != "prod" || b.Tags["env"] != "" || !b.From.Equal(begin.Add(301*time.Minute)) {
				t.Errorf("records %+v", records)
			}
		})
	}
}

// Answers may be compressed.
func TestCompressedAnswers(t *testing.T) {
	f, _ := newFake(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		f.ServeHTTP(compressed{w, z}, r)
	}))
	defer server.Close()
	if list, s, err := askFake(t, server.URL, nil); err != nil || len(list) != 2 || list[0].Count != 1440 || s.Cost().Bytes == 0 || s.Cost().Requests == 0 {
		t.Errorf("%d profiles, error %v", len(list), err)
	}
}

type compressed struct {
	http.ResponseWriter
	z *gzip.Writer
}

func (c compressed) Write(p []byte) (int, error) { return c.z.Write(p) }
