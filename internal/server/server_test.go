package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/hosts"
	"github.com/leanfleet/leanfleet/internal/server"
	"github.com/leanfleet/leanfleet/statistics"
)

var now = time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)

// held is a directory with a small simulated fleet, its holder, and a client.
type held struct {
	monitor *leanfleet.Monitor
	client  *server.Client
	dir     string
}

func hold(t *testing.T, dir string) held {
	t.Helper()
	m, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: dir, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	l, err := server.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- server.Serve(ctx, l, server.Handler(server.Options{Monitor: m, Session: func(s server.Settings) (*leanfleet.Monitor, error) {
			return m.As(leanfleet.Options{Who: s.Who}), nil
		}}))
	}()
	client, err := server.Connect(t.Context(), dir, server.Settings{Who: "carlos"})
	if err != nil || client == nil {
		t.Fatalf("connect: %v, %v", client, err)
	}
	t.Cleanup(func() {
		client.Close()
		cancel()
		if err := errors.Join(<-done, m.Close()); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(filepath.Join(dir, server.SocketName)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left behind: %v", err)
		}
	})
	return held{m, client, dir}
}

func simulated(t *testing.T) held {
	t.Helper()
	h := hold(t, t.TempDir())
	if _, err := h.monitor.Simulate(t.Context(), leanfleet.SimulateRequest{Hosts: 6, Days: 16, Interval: 10 * time.Minute, Seed: 7}); err != nil {
		t.Fatal(err)
	}
	return h
}

func operation(t *testing.T, name string) leanfleet.Operation {
	t.Helper()
	op, ok := leanfleet.FindOperation(name)
	if !ok {
		t.Fatalf("no operation %s", name)
	}
	return op
}

// TestSameAnswers: what is asked over the socket has the JSON that a question
// here has, and once more when it is put into JSON again.
func TestSameAnswers(t *testing.T) {
	h := simulated(t)
	asked := map[string]string{
		"stats": `{"metric":"cpu_usage","range":"7d","group_by":["dept","tag:env"],"percentiles":[90,99.9]}`,
		"trend": `{"metric":"memory_usage","range":"7d","step":"day"}`,
		"top":   `{"metric":"cpu_usage","range":"7d","percentiles":[90]}`,
		"hosts": `{}`, "status": `{"verify":true}`,
		"rightsize":  `{"range":"14d","explain":true}`,
		"backtest":   `{"range":"14d","windows":1,"train":172800000000000,"test":86400000000000}`,
		"underused":  `{"range":"14d"}`,
		"chargeback": `{"period":"2024-01","group_by":["dept"]}`,
	}
	for name, request := range asked {
		t.Run(name, func(t *testing.T) {
			op := operation(t, name)
			ask := func() any {
				r := op.NewRequest()
				if err := json.Unmarshal([]byte(request), r); err != nil {
					t.Fatal(err)
				}
				return r
			}
			want, err := op.Run(t.Context(), h.monitor, ask())
			if err != nil {
				t.Fatal(err)
			}
			got, err := h.client.Run(t.Context(), op, ask())
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprintf("%T", got) != fmt.Sprintf("%T", want) {
				t.Errorf("a %T, not a %T", got, want)
			}
			free := regexp.MustCompile(`"free_bytes":\d+`) // others fill and empty the disk
			if a, b := free.ReplaceAllString(text(t, got), ""), free.ReplaceAllString(text(t, want), ""); a != b {
				t.Errorf("over the socket\n%s\nhere\n%s", a, b)
			}
			if strings.Contains(request, "{}") && len(text(t, want)) < 10 {
				t.Errorf("an empty answer proves nothing: %s", text(t, want))
			}
		})
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestStreams: input, a file that comes back, progress, and who asked.
func TestStreams(t *testing.T) {
	h := hold(t, t.TempDir())
	var b strings.Builder
	b.WriteString("host,timestamp,cpu_usage\n")
	for i := range 20_000 {
		fmt.Fprintf(&b, "web-%d,%d,0.%04d\n", i%7, 1_700_000_000+i/7*60, i%10_000)
	}
	import1 := &leanfleet.ImportRequest{Samples: []string{"-"}, Stdin: strings.NewReader(b.String())}
	told := 0
	import1.Progress = func(int64, int64) { told++ }
	result, err := h.client.Run(t.Context(), operation(t, "import"), import1)
	if err != nil {
		t.Fatal(err)
	}
	if r := result.(leanfleet.ImportResult); r.Stored.Inserted != 20_000 || told == 0 {
		t.Errorf("%+v, progress told %d times", r.Stored, told)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "hosts.csv"), []byte("host,tag_dept\nweb-1,data\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	inventory := &leanfleet.ImportRequest{Inventory: []string{"hosts.csv"}, Directory: h.dir}
	if _, err := h.client.Run(t.Context(), operation(t, "import"), inventory); err != nil {
		t.Fatal(err)
	}
	missing := &leanfleet.ImportRequest{Inventory: []string{"missing.csv"}, Directory: h.dir}
	if _, err := h.client.Run(t.Context(), operation(t, "import"), missing); err == nil || !strings.Contains(err.Error(), "open missing.csv: no such file") {
		t.Errorf("a missing file: %v", err)
	}
	// Standard input is somebody else's unless it is asked for.
	unread := &leanfleet.ImportRequest{Inventory: []string{"hosts.csv"}, Directory: h.dir, Stdin: readFunc(func([]byte) (int, error) {
		t.Error("standard input was read")
		return 0, io.EOF
	})}
	if _, err := h.client.Run(t.Context(), operation(t, "import"), unread); err != nil {
		t.Fatal(err)
	}
	files := make([]bytes.Buffer, 2)
	scope := fleet.Scope{Range: "2023-11-01..2023-12-31"}
	if _, err := h.client.Run(t.Context(), operation(t, "export"), &leanfleet.ExportRequest{Scope: scope, Output: &files[0]}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.monitor.Export(t.Context(), leanfleet.ExportRequest{Scope: scope, Output: &files[1]}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(files[0].Bytes(), files[1].Bytes()) || files[0].Len() < 100_000 {
		t.Errorf("exports of %d and %d bytes", files[0].Len(), files[1].Len())
	}
	history, err := h.monitor.HostHistory(t.Context(), historyOf("web-1"))
	if err != nil || len(history.Writes) == 0 || history.Writes[len(history.Writes)-1].Who != "carlos" {
		t.Errorf("%+v, %v", history.Writes, err)
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// TestErrors: an error says the same, and is the same to who looks for it.
func TestErrors(t *testing.T) {
	h := simulated(t)
	_, err := h.client.Run(t.Context(), operation(t, "stats"), &statistics.Request{Metric: "cpu_usge"})
	_, want := h.monitor.Statistics(t.Context(), statistics.Request{Metric: "cpu_usge"})
	var bad *fleet.RequestError
	if want == nil || err == nil || err.Error() != want.Error() || !errors.As(err, &bad) {
		t.Errorf("%v, here %v", err, want)
	}
	_, err = h.client.Run(t.Context(), operation(t, "host_history"), ptr(historyOf("nobody")))
	if !errors.Is(err, fleet.ErrUnknownHost) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.client.Run(ctx, operation(t, "hosts"), operation(t, "hosts").NewRequest()); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled question: %v", err)
	}
}

func historyOf(host string) hosts.HistoryRequest { return hosts.HistoryRequest{Host: host} }

func ptr[T any](v T) *T { return &v }

// TestPlainHTTP: a Request as it is gives a Result as it is; bad ones are told.
func TestPlainHTTP(t *testing.T) {
	h := simulated(t)
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(h.dir, server.SocketName))
	}}}
	defer c.CloseIdleConnections()
	post := func(name, body string) (int, string) {
		t.Helper()
		r, err := c.Post("http://leanfleet"+server.Prefix+name, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		data, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(data)
	}
	for _, x := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"hosts", "", 200, `"hosts":[{`},
		{"stats", `{"metric":"cpu_usage"}`, 200, `"metric":"cpu_usage"`},
		{"stat", "", 404, `did you mean`},
		{"stats", `{"metrc":"cpu_usage"}`, 400, `unknown field`},
		{"stats", `{"metric":"nothing"}`, 400, `nothing`},
		{"import", `{}`, 400, `command line`},
		{"host", `{"host":"nobody"}`, 500, `unknown host`},
	} {
		status, got := post(x.name, x.body)
		if status != x.status || !strings.Contains(got, x.want) {
			t.Errorf("%s %s: %d %s", x.name, x.body, status, got)
		}
	}
	r, err := c.Get("http://leanfleet" + server.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var list []struct{ Name string }
	if err := json.NewDecoder(r.Body).Decode(&list); err != nil || len(list) != len(leanfleet.Operations()) {
		t.Errorf("%d operations, %v", len(list), err)
	}
}

// TestSocket: its mode, its place however long, what replaces a stale one.
func TestSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if c, err := server.Connect(t.Context(), dir, server.Settings{}); c != nil || err != nil {
		t.Errorf("a connection to nobody: %v, %v", c, err)
	}
	// What a process leaves that was killed.
	stale, err := server.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, server.SocketName)
	if err := os.Rename(path, path+".kept"); err != nil {
		t.Fatal(err)
	}
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".kept", path); err != nil {
		t.Fatal(err)
	}
	if c, err := server.Connect(t.Context(), dir, server.Settings{}); c != nil || err != nil {
		t.Errorf("a connection to a dead process: %v, %v", c, err)
	}
	h := hold(t, dir)
	if r, err := h.client.Run(t.Context(), operation(t, "status"), &leanfleet.StatusRequest{}); err != nil {
		t.Errorf("%v, %v", r, err)
	}
	for path, want := range map[string]os.FileMode{dir: os.ModeDir | 0o700, path: os.ModeSocket | 0o600} {
		if info, err := os.Lstat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, not %v; %v", path, info.Mode(), want, err)
		}
	}
	if _, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: dir}); !errors.Is(err, fleet.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) {
		t.Errorf("a second writer: %v", err)
	}
}

// TestHolderDies: an answer that is cut off is an error, never a short answer.
func TestHolderDies(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, server.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, answer := range []string{"", "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.leanfleet.frames\r\n\r\nr\x00\x00\x00\x02{}", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello", "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.leanfleet.frames\r\n\r\nx\x00\x00\x00\x00"} {
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			greet(c)
			_, _ = io.ReadAtLeast(c, make([]byte, 1<<16), 1)
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}()
		c, err := server.Connect(t.Context(), dir, server.Settings{})
		if err != nil || c == nil {
			t.Fatal(c, err)
		}
		if _, err := c.Run(t.Context(), operation(t, "hosts"), operation(t, "hosts").NewRequest()); err == nil {
			t.Errorf("%q passed for an answer", answer)
		}
		c.Close()
	}
}

// TestOtherVersion: what a holder of another version does not understand is said
// with both versions, never answered in part.
func TestOtherVersion(t *testing.T) {
	dir := t.TempDir()
	m, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	l, err := server.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- server.Serve(ctx, l, server.Handler(server.Options{Monitor: m, Version: "v1.0.0", Session: func(server.Settings) (*leanfleet.Monitor, error) {
			return m, nil
		}}))
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	type newer struct {
		statistics.Request
		Colour string `json:"colour"`
	}
	stats := operation(t, "stats")
	unknown := stats
	unknown.Name = "forecast"
	for _, x := range []struct {
		version string
		op      leanfleet.Operation
		request any
		want    []string
	}{
		{"v2.0.0", stats, &newer{statistics.Request{Metric: "cpu_usage"}, "red"}, []string{"colour", "v1.0.0", "v2.0.0", "restart"}},
		{"v2.0.0", unknown, &struct{}{}, []string{"forecast", "v1.0.0", "v2.0.0"}},
		{"v1.0.0", unknown, &struct{}{}, []string{"unknown operation \"forecast\""}},
	} {
		c, err := server.Connect(t.Context(), dir, server.Settings{Version: x.version})
		if err != nil || c == nil {
			t.Fatal(c, err)
		}
		_, err = c.Run(t.Context(), x.op, x.request)
		c.Close()
		for _, want := range x.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s of %s: %v, want %s", x.op.Name, x.version, err, want)
			}
		}
		if x.version == "v1.0.0" && strings.Contains(err.Error(), "restart") {
			t.Errorf("the same version: %v", err)
		}
	}
	// Answers that fit are given to any version.
	c, err := server.Connect(t.Context(), dir, server.Settings{Version: "v0.9.0"})
	if err != nil || c == nil {
		t.Fatal(c, err)
	}
	defer c.Close()
	if _, err := c.Run(t.Context(), operation(t, "hosts"), &hosts.ListRequest{}); err != nil {
		t.Error(err)
	}
}

// greet answers what a client asks first.
func greet(c net.Conn) {
	_, _ = io.ReadAtLeast(c, make([]byte, 1<<16), 1)
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
}

// socketOf is a socket of a directory on which accept does what it likes.
func socketOf(t *testing.T, accept func(net.Conn)) (dir string, l net.Listener) {
	t.Helper()
	dir = t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, server.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accept(c)
			_ = c.Close()
		}
	}()
	return dir, l
}

// TestSilentHolder: a process that holds the directory and does not answer is
// not waited for for long, and named where the system tells who it is.
func TestSilentHolder(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, server.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := server.Connect(t.Context(), dir, server.Settings{Patience: 50 * time.Millisecond})
	if c != nil || err == nil || !strings.Contains(err.Error(), "has not answered for 50ms: is it stopped?") {
		t.Fatal(c, err)
	}
	if want := fmt.Sprintf("process %d holds %s", os.Getpid(), dir); runtime.GOOS == "linux" && !strings.Contains(err.Error(), want) {
		t.Errorf("%q is not in %v", want, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if c, err := server.Connect(ctx, dir, server.Settings{}); c != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled meanwhile: %v, %v", c, err)
	}
}

// TestStoppedMeanwhile: neither is one that is stopped after it said that it is
// there; one that works on its answer may take its time.
func TestStoppedMeanwhile(t *testing.T) {
	work := make(chan struct{})
	dir, _ := socketOf(t, func(c net.Conn) {
		greet(c)
		_, _ = io.ReadAtLeast(c, make([]byte, 1<<16), 1)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.leanfleet.frames\r\n\r\n")
		<-work
		_, _ = io.WriteString(c, "r\x00\x00\x00\x02{}.\x00\x00\x00\x00")
	})
	c, err := server.Connect(t.Context(), dir, server.Settings{Patience: 50 * time.Millisecond})
	if err != nil || c == nil {
		t.Fatal(c, err)
	}
	defer c.Close()
	time.AfterFunc(300*time.Millisecond, func() { close(work) })
	if _, err := c.Run(t.Context(), operation(t, "hosts"), &hosts.ListRequest{}); err != nil {
		t.Error(err)
	}

	stopped := make(chan struct{})
	dir, _ = socketOf(t, func(c net.Conn) {
		greet(c)
		<-stopped
	})
	defer close(stopped)
	c, err = server.Connect(t.Context(), dir, server.Settings{Patience: 50 * time.Millisecond})
	if err != nil || c == nil {
		t.Fatal(c, err)
	}
	defer c.Close()
	if _, err := c.Run(t.Context(), operation(t, "hosts"), &hosts.ListRequest{}); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Error(err)
	}
}

// TestEndsWhileAsked: a process that ends before it said that it is there is
// nobody, and nothing is asked of it.
func TestEndsWhileAsked(t *testing.T) {
	var l net.Listener
	listening := make(chan struct{})
	dir, l := socketOf(t, func(net.Conn) {
		<-listening
		_ = l.Close()
	})
	close(listening)
	if c, err := server.Connect(t.Context(), dir, server.Settings{}); c != nil || err != nil {
		t.Errorf("%v, %v", c, err)
	}
}

// TestSharedDirectory: a directory that is everybody's is not taken from them.
func TestSharedDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if l, err := server.Listen(dir); err == nil {
		t.Error("it listens", l.Close())
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o777 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
