package aws

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/leanfleet/leanfleet/internal/webclient"
)

const (
	attempts  = 5 // of a file, cut connections included
	maxPause  = 30 * time.Second
	maxIndex  = 32 << 20 // the index of all services has less than 1 MB
	userAgent = "leanfleet"
)

// ErrStalled is the error of a connection on which nothing arrived for a
// minute.
var ErrStalled = errors.New("no data for a minute")

// web returns the transport of all requests.
func (s *Source) web() (*http.Transport, error) {
	s.once.Do(func() {
		s.transport = &http.Transport{
			DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConns:          10,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   15 * time.Second,
			ResponseHeaderTimeout: time.Minute,
		}
		s.err = s.harden(s.transport)
	})
	return s.transport, s.err
}

// harden gives a transport the proxy and the certificates of the user.
func (s *Source) harden(t *http.Transport) error {
	return webclient.Harden(t, s.options.CAFile)
}

// statusError is an answer that is not 200.
type statusError struct {
	status string
	code   int
	after  time.Duration
}

func (e *statusError) Error() string { return "the server answered " + e.status }

// download is a file that is read in one pass. A cut connection is opened again
// and the part that was read already is passed over, once it was found to be
// the same.
type download struct {
	ctx      context.Context
	source   *Source
	url      string
	shown    string // the URL without what may be secret in it
	progress func(read, total int64)

	body  io.ReadCloser
	conn  context.Context
	watch *time.Timer
	stop  context.CancelCauseFunc
	total int64
	read  int64 // what the caller got
	hash  maphash.Hash
	tries int
	err   error
}

// get opens a file.
func (s *Source) get(ctx context.Context, from string, progress func(read, total int64)) *download {
	return &download{ctx: ctx, source: s, url: from, shown: webclient.Show(from), progress: progress}
}

// Read reads on. Its errors name the file.
func (d *download) Read(p []byte) (int, error) {
	for {
		if d.err != nil {
			return 0, d.err
		}
		if d.body == nil {
			if d.err = d.open(); d.err != nil {
				return 0, d.err
			}
		}
		n, err := d.part(p)
		d.hash.Write(p[:n])
		d.read += int64(n)
		if n > 0 && d.progress != nil {
			d.progress(d.read, d.total)
		}
		if err == nil || err == io.EOF {
			return n, err
		}
		d.Close()
		d.err = d.again(err)
		if n > 0 {
			return n, nil
		}
	}
}

// part reads what has arrived, and gives up where nothing does.
func (d *download) part(p []byte) (int, error) {
	d.watch.Reset(d.source.stall)
	n, err := d.body.Read(p)
	d.watch.Stop()
	return n, err
}

// open asks for the file until it comes, and passes over what was read.
func (d *download) open() error {
	for {
		err := d.connect()
		if err == nil {
			err = d.pass()
		}
		if err == nil {
			return nil
		}
		d.Close()
		if err := d.again(err); err != nil {
			return err
		}
	}
}

func (d *download) connect() error {
	transport, err := d.source.web()
	if err != nil {
		return permanent{err}
	}
	ctx, stop := context.WithCancelCause(d.ctx)
	d.conn, d.stop = ctx, stop
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return permanent{errors.New("it is no URL")}
	}
	r.Header.Set("User-Agent", userAgent)
	answer, err := (&http.Client{Transport: transport}).Do(r)
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return permanent{d.source.hidden.Error(err)}
	case err != nil:
		return d.source.hidden.Error(err)
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return &statusError{answer.Status, answer.StatusCode, webclient.RetryAfter(answer.Header)}
	}
	d.body, d.total = answer.Body, max(answer.ContentLength, 0)
	d.watch = time.AfterFunc(d.source.stall, func() { stop(ErrStalled) })
	return nil
}

// pass reads the part that the caller has already, which must not have changed.
func (d *download) pass() error {
	if d.read == 0 {
		return nil
	}
	var hash maphash.Hash
	hash.SetSeed(d.hash.Seed())
	buf := make([]byte, 64<<10)
	for left := d.read; left > 0; {
		n, err := d.part(buf[:min(left, int64(len(buf)))])
		hash.Write(buf[:n])
		left -= int64(n)
		if err != nil && left > 0 {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	if hash.Sum64() != d.hash.Sum64() {
		return permanent{errors.New("the file changed while it was read")}
	}
	return nil
}

// permanent is an error that another try does not cure.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// again waits before another try. It returns the error where there is none.
func (d *download) again(err error) error {
	if d.ctx.Err() != nil {
		return d.ctx.Err()
	}
	if d.conn != nil && context.Cause(d.conn) == ErrStalled {
		err = ErrStalled
	}
	d.tries++
	pause := time.Second << min(d.tries-1, 10)
	pause = min(pause, maxPause)/2 + rand.N(min(pause, maxPause)/2) // spread
	var status *statusError
	var final permanent
	switch {
	case errors.As(err, &final):
		return fmt.Errorf("read %s: %w", d.shown, final.error)
	case errors.As(err, &status):
		if !webclient.Temporary(status.code) {
			return fmt.Errorf("read %s: %w", d.shown, err)
		}
		pause = max(pause, min(status.after, maxPause))
	}
	if d.tries >= attempts {
		return fmt.Errorf("read %s: %d tries: %w", d.shown, d.tries, err)
	}
	return d.source.sleep(d.ctx, pause)
}

// Close ends the connection.
func (d *download) Close() error {
	if d.watch != nil {
		d.watch.Stop()
	}
	if d.stop != nil {
		d.stop(nil)
	}
	if d.body != nil {
		d.body.Close()
		d.body = nil
	}
	return nil
}

// small reads a small JSON file into v.
func (s *Source) small(ctx context.Context, from string, v any) error {
	d := s.get(ctx, from, nil)
	defer d.Close()
	raw, err := io.ReadAll(io.LimitReader(d, maxIndex+1))
	if err != nil {
		return err
	}
	if len(raw) > maxIndex {
		return fmt.Errorf("read %s: more than %d MB", d.shown, maxIndex>>20)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("read %s: %w", d.shown, err)
	}
	return nil
}
