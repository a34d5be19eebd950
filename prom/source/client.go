package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/leanfleet/leanfleet/internal/webclient"
)

// client asks an engine over HTTP.
type client struct {
	base     *url.URL
	shown    string // the address as it may be told
	http     *http.Client
	options  *Options
	secrets  webclient.Secrets
	slots    chan struct{}
	get      atomic.Bool // POST is not taken
	requests atomic.Int64
	bytes    atomic.Int64
	spent    atomic.Int64 // nanoseconds until answers began
	patience patience
	reached  atomic.Bool  // the engine, or who stands before it, has answered
	parts    atomic.Int64 // partial answers that were taken
	part     atomic.Pointer[PartialError]
}

func unquote(text []byte) (string, error) {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return "", fmt.Errorf("%w: text %s", ErrNotAPI, clip(string(text)))
	}
	return s, nil
}

// EngineError is what an engine said of a request it did not answer.
type EngineError struct {
	// Status is the HTTP status; 200 for an error inside an answer.
	Status int
	// Type is the engine's word for the kind of error, "" where it has none.
	Type string
	// Message is the engine's own text.
	Message string
	// Address is the engine's, without secrets.
	Address string
	// Request is what was asked.
	Request string
}

// Error names the engine, its words and what was asked.
func (e *EngineError) Error() string {
	text := fmt.Sprintf("%s answered %d", e.Address, e.Status)
	if e.Type != "" && e.Type != fmt.Sprint(e.Status) {
		text += " " + e.Type
	}
	text += ": " + clip(e.Message)
	if e.Request != "" {
		text += " (asked: " + clip(e.Request) + ")"
	}
	return text
}

// tooLarge says whether the engine finds a question too large, which it says at
// once; one that took too long is late.
func (e *EngineError) tooLarge() bool {
	if e.Status == http.StatusRequestEntityTooLarge || e.Status == http.StatusRequestURITooLong {
		return true
	}
	if e.Status != 422 && e.Status != 400 && e.Status != 503 && e.Status != 500 && e.Status != 200 {
		return false
	}
	text := strings.ToLower(e.Message)
	for _, sign := range []string{"too many samples", "would load too many", "too many points", "maximum resolution", "-search.max", "exceeds -", "max-samples", "limit", "too large", "too long", "out of memory", "not enough memory"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

func tooLarge(err error) bool {
	var e *EngineError
	return errors.As(err, &e) && e.tooLarge()
}

// tooLong says whether less time, not fewer hosts, makes a question smaller for
// the engine.
func tooLong(err error) bool {
	var e *EngineError
	if !errors.As(err, &e) {
		return false
	}
	text := strings.ToLower(e.Message)
	for _, sign := range []string{"query length", "time range exceeds", "maximum resolution", "too many points", "maxpointspertimeseries", "too old"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// ErrSlow is wrapped where an answer did not come in time.
var ErrSlow = errors.New("no answer in time")

// PartialError says that an engine answered from a part of its data.
type PartialError struct {
	Address  string
	Warnings []string
}

// Error names the engine and its warnings.
func (e *PartialError) Error() string {
	return e.Address + " answered from a part of its data: " + clip(strings.Join(e.Warnings, "; "))
}

// request is a question to the engine.
type request struct {
	path string
	form url.Values
	what string // it is about, for errors
	get  bool   // by GET, always
	try  bool   // once only: the answer is not needed
	// body is a message in place of the form, accept the type of the answer to it,
	// asked what is asked for, for errors.
	body          []byte
	accept, asked string
}

// read asks and hands the answer to a function, again from the start where the
// connection breaks or the engine is busy.
func (c *client) read(ctx context.Context, r request, use func(*decoder) (answer, error)) error {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.slots }()
	var last error
	for attempt := 1; ; attempt++ {
		after, again, err := c.once(ctx, r, use)
		if err == nil {
			c.patience.answered()
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		last = c.secrets.Error(err)
		if !again || r.try || attempt > c.options.Retries {
			if attempt > 1 {
				last = fmt.Errorf("%w (tried %d times)", last, attempt)
			}
			break
		}
		if err := c.options.sleep(ctx, webclient.Pause(attempt, after, c.options.MaxPause)); err != nil {
			return err
		}
	}
	return last
}

// patienceOfTries is how long is waited for answers that are not needed.
const patienceOfTries = 15 * time.Second

// once tries once; again says whether another try may do better, and after how
// long the engine asks to wait.
func (c *client) once(ctx context.Context, r request, use func(*decoder) (answer, error)) (after time.Duration, again bool, err error) {
	timeout := c.options.Timeout
	if r.try {
		timeout = min(timeout, patienceOfTries)
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := c.options.Now()
	response, err := c.send(limited, r)
	if err != nil {
		if limited.Err() != nil && ctx.Err() == nil {
			return 0, false, fmt.Errorf("ask %s: %w (%s)", c.shown, ErrSlow, c.options.Timeout)
		}
		again := !permanent(err) && (c.reached.Load() || !nobody(err))
		var doing *url.Error
		if errors.As(err, &doing) {
			err = doing.Err // without the address, which is said already
		}
		return 0, again, fmt.Errorf("ask %s: %w", c.shown, err)
	}
	defer response.Body.Close()
	c.reached.Store(true)
	c.spent.Add(int64(c.options.Now().Sub(began)))
	body, err := c.body(response)
	if err != nil {
		return 0, true, fmt.Errorf("read the answer of %s: %w", c.shown, err)
	}
	if response.StatusCode != http.StatusOK {
		return c.refused(response, body, r)
	}
	if kind := response.Header.Get("Content-Type"); r.accept != "" && !strings.HasPrefix(kind, r.accept) {
		return 0, false, fmt.Errorf("read the answer of %s: %w: %s where %s should be", c.shown, ErrNotAPI, strconv.Quote(clip(kind)), r.accept)
	}
	a, err := use(newDecoder(body))
	switch {
	case err != nil && limited.Err() != nil && ctx.Err() == nil:
		return 0, false, fmt.Errorf("read the answer of %s: %w (%s)", c.shown, ErrSlow, c.options.Timeout)
	case errors.Is(err, errConsumer):
		return 0, false, err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return 0, true, fmt.Errorf("the answer of %s was cut off: %w", c.shown, err)
	case errors.Is(err, ErrNotAPI) && strings.HasPrefix(response.Header.Get("Content-Type"), "text/html"):
		return 0, false, fmt.Errorf("read the answer of %s: %w: a web page", c.shown, ErrNotAPI)
	case err != nil && errors.Is(err, ErrNotAPI):
		return 0, false, fmt.Errorf("read the answer of %s: %w", c.shown, err)
	case err != nil:
		return 0, true, fmt.Errorf("read the answer of %s: %w", c.shown, err)
	case a.status == "error":
		return 0, false, c.engineError(http.StatusOK, a.kind, a.message, r)
	}
	return 0, false, c.whole(&a)
}

// whole is an error of an answer that is not whole, unless those are allowed:
// then it is remembered.
func (c *client) whole(a *answer) error {
	// What the engine remarks of a query, as Thanos does among its warnings, says
	// nothing of its data.
	// Nor does it that none of Thanos' stores has data of the time that was asked
	// for: there is none then.
	warnings := slices.DeleteFunc(a.warnings, func(w string) bool {
		return strings.HasPrefix(w, "PromQL ") || strings.EqualFold(w, "No StoreAPIs matched for this query")
	})
	if len(warnings) == 0 && !a.partial {
		return nil
	}
	if len(warnings) == 0 {
		warnings = []string{"isPartial"}
	}
	e := &PartialError{c.shown, warnings}
	if !c.options.AllowPartial {
		return e
	}
	c.parts.Add(1)
	c.part.Store(e)
	return nil
}

// permanent says whether trying again will not help: a certificate that is not
// trusted, a file that cannot be read.
func permanent(err error) bool {
	var p *os.PathError
	text := err.Error()
	return errors.As(err, &p) || strings.Contains(text, "x509:") || strings.Contains(text, "unsupported protocol scheme") || strings.Contains(text, "tls: ") || strings.Contains(text, "HTTP response to HTTPS client")
}

// nobody says that nobody listens at an address, or that no host has its name:
// the address is wrong, unless there was an answer before.
func nobody(err error) bool {
	var name *net.DNSError
	return errors.As(err, &name) && name.IsNotFound || errors.Is(err, syscall.ECONNREFUSED)
}

func (c *client) body(response *http.Response) (io.Reader, error) {
	counted := &counting{response.Body, &c.bytes}
	if response.Header.Get("Content-Encoding") == "gzip" {
		return gzip.NewReader(counted)
	}
	return counted, nil
}

// counting counts the bytes that come over the wire.
type counting struct {
	r io.Reader
	n *atomic.Int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// refused reads what an engine says instead of an answer.
func (c *client) refused(response *http.Response, body io.Reader, r request) (time.Duration, bool, error) {
	text, _ := io.ReadAll(io.LimitReader(body, 1<<16)) // what came of it is told
	a, err := newDecoder(strings.NewReader(string(text))).result(nothing{})
	if err != nil || a.message == "" {
		a.kind, a.message = "", strings.Join(strings.Fields(string(text)), " ")
		if a.message == "" {
			a.message = http.StatusText(response.StatusCode)
		}
		if webPage(text) {
			a.message = "a web page" + title(text)
		}
	}
	status := response.StatusCode
	if to, err := response.Location(); err == nil {
		a.message += ": redirects are not followed, this one goes to " + webclient.ShowURL(to)
	}
	if status == http.StatusMethodNotAllowed && r.body == nil && !c.get.Swap(true) {
		return 0, true, c.engineError(status, a.kind, a.message, r)
	}
	e := c.engineError(status, a.kind, a.message, r)
	again := status == http.StatusTooManyRequests || status >= 500 && status != http.StatusNotImplemented
	if again && (e.tooLarge() || e.late()) && status != http.StatusTooManyRequests {
		again = false // a smaller question is better than the same one again
	}
	return webclient.RetryAfter(response.Header), again, e
}

// webPage says whether an answer is for people.
func webPage(text []byte) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(string(text[:min(len(text), 100)]))), "<")
}

// title is the title of a web page, in quotes behind a blank, "" without one.
func title(text []byte) string {
	_, rest, _ := strings.Cut(string(text), "<title>")
	t, _, ok := strings.Cut(rest, "</title>")
	if t = strings.Join(strings.Fields(t), " "); !ok || t == "" {
		return ""
	}
	return " " + strconv.Quote(clip(t))
}

func (c *client) engineError(status int, kind, message string, r request) *EngineError {
	asked := r.asked
	if asked == "" {
		asked = r.form.Get("query")
	}
	if asked == "" {
		asked = strings.Join(r.form["match[]"], " ")
	}
	if r.what != "" {
		asked = r.what + ": " + asked
	}
	return &EngineError{Status: status, Type: kind, Message: c.secrets.Text(message), Address: c.shown, Request: asked}
}

// send sends one request.
func (c *client) send(ctx context.Context, r request) (*http.Response, error) {
	c.requests.Add(1)
	u := c.base.JoinPath(r.path)
	form := r.form.Encode()
	method, body := http.MethodPost, io.Reader(strings.NewReader(form))
	if r.body != nil {
		body = bytes.NewReader(r.body)
	} else if r.get || c.get.Load() {
		method, body = http.MethodGet, nil
		u.RawQuery = form
	}
	if q := c.base.RawQuery; q != "" {
		if u.RawQuery != "" && method == http.MethodGet {
			q += "&" + form
		}
		u.RawQuery = q
	}
	q, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if r.body != nil {
		q.Header.Set("Content-Type", "application/x-protobuf")
		q.Header.Set("Content-Encoding", "snappy")
		q.Header.Set("X-Prometheus-Remote-Read-Version", "0.1.0")
	}
	q.Header.Set("Accept-Encoding", c.options.encoding())
	q.Header.Set("User-Agent", "leanfleet")
	for name, value := range c.options.Headers {
		if http.CanonicalHeaderKey(name) == "Host" {
			q.Host = value
			continue
		}
		q.Header.Set(name, value)
	}
	if err := c.options.authorize(q); err != nil {
		return nil, err
	}
	return c.http.Do(q)
}

// nothing is a consumer of answers whose data does not matter.
type nothing struct{}

func (nothing) series(map[string]string) error { return nil }
func (nothing) point(int64, float64) error     { return nil }

// errConsumer is wrapped by errors of our own about an answer that was read
// well: asking again would bring the same.
var errConsumer = errors.New("unusable answer")
