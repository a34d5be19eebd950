package webclient_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/internal/webclient"
)

func TestShow(t *testing.T) {
	for address, want := range map[string]string{
		"https://example.com/a/b":                         "https://example.com/a/b",
		"https://user:pass@example.com:8443/a":            "https://example.com:8443/a",
		"https://token@example.com/a?sig=x&$filter=y%20z": "https://example.com/a?sig=[redacted]&$filter=[redacted]",
		"https://example.com/a?onlysecret":                "https://example.com/a?[redacted]",
		"https://example.com/a#secret":                    "https://example.com/a",
		"http://user:pass@%zz/a?sig=x":                    "http:[redacted]%zz/a[redacted]",
		"/relative?x=1":                                   "/relative?x=[redacted]",
		"":                                                "",
	} {
		if got := webclient.Show(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	u, err := url.Parse("https://user:pass@example.com/a?b=c")
	if err != nil {
		t.Fatal(err)
	}
	if webclient.ShowURL(u); u.User == nil || u.RawQuery != "b=c" {
		t.Error("the address was changed:", u)
	}
}

// No text holds what an address or a list of secrets hides, in any spelling,
// and nothing beneath an error tells it either.
func TestSecrets(t *testing.T) {
	s := webclient.SecretsOf([]string{"https://the-user:the%2Fpassword@example.com/?sig=a%2Fb%2Fc%2Fd&short=1&bare-secret", "http://%zz"}, "api+key", "")
	text := s.Text("the-user the/password the%2Fpassword a/b/c/d a%2Fb%2Fc%2Fd bare-secret api+key api%2Bkey 1")
	if text != strings.Repeat("[redacted] ", 8)+"1" {
		t.Error(text)
	}
	// Also of addresses that do not parse, which clients repeat as they are.
	broken := webclient.SecretsOf([]string{"http://the-user:the-password@no such host/x?sig=signature#y", "no such/@address?", "://only-user@%"})
	text = broken.Text("http://the-user:the-password@no such host/x?sig=signature#y of ://only-user@%, no such/@address?")
	if text != "http://[redacted]:[redacted]@no such host/x?sig=[redacted]#y of ://[redacted]@%, no such/@address?" {
		t.Error(text)
	}
	if err := s.Error(nil); err != nil {
		t.Error(err)
	}
	plain := errors.New("plain")
	if err := s.Error(plain); err != plain {
		t.Error(err)
	}
	inner := &url.Error{Op: "Get", URL: "https://example.com/x?other=unlisted", Err: context.DeadlineExceeded}
	outer := &url.Error{Op: "Post", URL: "https://u:p@example.com/y?z=also-unlisted", Err: fmt.Errorf("first: %w", inner)}
	err := s.Error(fmt.Errorf("reading with api+key: %w", outer))
	if want := "reading with [redacted]: Post https://example.com/y?z=[redacted]: first: Get https://example.com/x?other=[redacted]: context deadline exceeded"; err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	var found *url.Error
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &found) || found != outer || errors.Unwrap(err) != nil {
		t.Error("what it wraps is not found")
	}
	if all := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(all, "unlisted") {
		t.Error(all)
	}
}

func TestPauses(t *testing.T) {
	for _, c := range []struct {
		attempt     int
		after, want time.Duration
	}{
		{1, 0, time.Second}, {2, 0, 2 * time.Second}, {4, 0, 8 * time.Second}, {1000, 0, time.Minute}, {-3, 0, time.Second},
		{1, 7 * time.Second, 7 * time.Second}, {1, time.Hour, time.Minute}, {3, -time.Second, 4 * time.Second},
	} {
		if got := webclient.Pause(c.attempt, c.after, time.Minute); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	date := "Tue, 24 Nov 2026 09:00:00 GMT"
	for _, c := range []struct {
		after, date string
		want        time.Duration
	}{
		{"7", "", 7 * time.Second}, {" 0 ", "", 0}, {"-1", "", 0}, {"70000", "", 0}, {"soon", date, 0}, {"", date, 0},
		{"Tue, 24 Nov 2026 09:00:30 GMT", date, 30 * time.Second}, {"Tue, 24 Nov 2026 08:00:00 GMT", date, 0}, {"Tue, 24 Nov 2026 09:00:30 GMT", "today", 0},
	} {
		h := http.Header{"Retry-After": {c.after}, "Date": {c.date}}
		if got := webclient.RetryAfter(h); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	for status, want := range map[int]bool{200: false, 400: false, 401: false, 403: false, 404: false, 408: true, 429: true, 500: true, 503: true} {
		if webclient.Temporary(status) != want {
			t.Error(status)
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := webclient.Sleep(ended, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := webclient.Sleep(context.Background(), time.Nanosecond); err != nil {
		t.Error(err)
	}
}

func TestTransport(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if _, err := webclient.Transport(file); err == nil || !strings.Contains(err.Error(), "read CA file") {
		t.Error(err)
	}
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := webclient.Transport(file); err == nil || !strings.Contains(err.Error(), "ca.pem holds no certificate") {
		t.Error(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	tr, err := webclient.Transport(file)
	if err != nil || tr.Proxy == nil {
		t.Fatal(err)
	}
	defer tr.CloseIdleConnections()
	if answer, err := (&http.Client{Transport: tr}).Get(server.URL); err != nil || answer.Body.Close() != nil {
		t.Error(err)
	}
	without, err := webclient.Transport("")
	if err != nil || without.Proxy == nil {
		t.Fatal(err)
	}
	if without == http.DefaultTransport {
		t.Error("the standard transport is changed")
	}
}
