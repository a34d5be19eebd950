package webclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Harden makes a transport honour the proxy variables and trust the
// certificates of caFile, in PEM form, besides those of the system; an empty
// caFile adds none.
func Harden(t *http.Transport, caFile string) error {
	t.Proxy = http.ProxyFromEnvironment
	if caFile == "" {
		return nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return fmt.Errorf("read CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a system without certificates of its own
	}
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("CA file %s holds no certificate in PEM form", caFile)
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return nil
}

// Transport returns a transport like the standard one that is hardened and
// waits two minutes at most for the head of an answer.
func Transport(caFile string) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 2 * time.Minute
	return t, Harden(t, caFile)
}

// Sleep waits for d or until the context ends, whose error it returns then.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Pause returns how long to wait after the attempt-th try, counted from one:
// as long as the server says with after, else 1, 2, 4, ... seconds, and most at
// the most.
func Pause(attempt int, after, most time.Duration) time.Duration {
	if after <= 0 {
		after = time.Second << min(max(attempt-1, 0), 20)
	}
	return min(after, most)
}

// RetryAfter reads Retry-After in seconds or as a date, which it measures by
// the server's own Date. It is zero where the server says nothing that can be
// read.
func RetryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(v, 10, 16); err == nil {
		return time.Duration(n) * time.Second
	}
	until, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	from, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, until.Sub(from))
}

// Temporary reports whether an answer of this status may be another one when
// the request is made again: too many requests, a time-out, a fault of the
// server.
func Temporary(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
}
