package source

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/webclient"
	"github.com/leanfleet/leanfleet/inventory"
	"github.com/leanfleet/leanfleet/prom/internal/names"
)

// Method is how profiles are made.
type Method string

// The methods.
const (
	// MethodAuto is exact up to Options.ExactUpTo samples, and beyond where a
	// grid would not be cheaper.
	MethodAuto Method = "auto"
	// MethodExact reads every sample.
	MethodExact Method = "exact"
	// MethodGrid lets the engine take a grid of quantiles wherever it can.
	MethodGrid Method = "grid"
)

// Options say where an engine is and how it is to be asked. URL and Now are
// required.
type Options struct {
	// URL is the engine's address with the prefix of its API, such as
	// http://prometheus:9090 or https://mimir/prometheus; without /api/v1.
	URL string
	// Now tells the time.
	Now func() time.Time
	// Metrics are those that may be asked for; the zero value is the canonical
	// ones.
	Metrics fleet.Metrics

	// Headers are sent with every request, such as X-Scope-OrgID.
	Headers map[string]string
	// Username and Password, or the password in a file, are basic authentication.
	Username, Password, PasswordFile string
	// BearerToken, or a file that holds it, which is read for every request.
	BearerToken, BearerTokenFile string
	// CAFile holds certificates to trust beside the system's; CertFile and KeyFile
	// are the client's own; ServerName is whose certificate is expected; all PEM.
	CAFile, CertFile, KeyFile, ServerName string
	// Insecure trusts any certificate.
	Insecure bool

	// Schema is "auto", "node_exporter", "windows_exporter", "otel" or
	// "leanfleet"; "" is auto.
	Schema string
	// Matchers narrow every question, such as job="node",cluster=~"eu.*".
	Matchers string
	// HostLabel names the host; "" is the schema's: instance, or host.
	HostLabel string
	// DedupLabels tell apart the members of HA pairs, such as replica. Series that
	// differ in them only are one.
	DedupLabels []string
	// Fields are the labels that records are read from, by the record's field:
	// "instance_type": "node_type". They come before the built-in names. "" drops
	// a field. See FieldLabels.
	Fields map[string]string
	// DropLabels are not made tags.
	DropLabels []string
	// Step is the time that a value describes where samples are taken from
	// expressions; 0 is found by the scrape interval.
	Step time.Duration
	// Lookback is how far before a question hosts are looked for: 400 days if 0.
	Lookback time.Duration

	// Book is an inventory that wins over labels; nil is none. It is not changed.
	Book *inventory.Book
	// Types gives the capacity of instance types where Book is nil, and says whose
	// they are where nobody else does; nil is unknown.
	Types inventory.Types

	// Method is how profiles are made; "" is auto.
	Method Method
	// ExactUpTo is how many samples are read one by one under MethodAuto:
	// 2,000,000 if 0.
	ExactUpTo int64
	// BatchSamples is how many samples one request is to bring at most, and with
	// Concurrency what memory is used: 1,000,000 if 0.
	BatchSamples int64
	// Concurrency is how many requests run at a time: 2 if 0.
	Concurrency int
	// Timeout is for one request with its answer: 2 minutes if 0.
	Timeout time.Duration
	// Retries is how often a request is tried again: 4 if 0, none if negative.
	Retries int
	// MaxPause is the longest wait before a retry: 30 s if 0.
	MaxPause time.Duration
	// AllowPartial takes answers that the engine marks as partial.
	AllowPartial bool
	// QueriesOnly asks by queries alone, also where the engine gives series as they
	// are stored: less comes over a slow line, and the engine computes more.
	QueriesOnly bool
	// Asked is told of every query before it is sent, from several goroutines; nil
	// is nobody.
	Asked func(PlannedQuery)

	sleep   func(context.Context, time.Duration) error // replaced by tests
	lookAll int64                                      // samples that are looked through for the first and last of each host
}

// complete fills in defaults and says what is wrong.
func (o *Options) complete() (names.Schema, error) {
	if o.Now == nil {
		return "", errors.New("a source needs a clock")
	}
	if len(o.Metrics.All()) == 0 {
		o.Metrics = fleet.CanonicalMetrics()
	}
	if o.sleep == nil {
		o.sleep = webclient.Sleep
	}
	def(&o.ExactUpTo, 2_000_000)
	def(&o.lookAll, 100_000_000)
	def(&o.BatchSamples, 1_000_000)
	def(&o.Concurrency, 2)
	def(&o.Timeout, 2*time.Minute)
	def(&o.Retries, 4)
	def(&o.MaxPause, 30*time.Second)
	def(&o.Lookback, 400*24*time.Hour)
	if o.Method == "" {
		o.Method = MethodAuto
	}
	switch o.Method {
	case MethodAuto, MethodExact, MethodGrid:
	default:
		return "", fmt.Errorf("unknown method %q: use auto, exact or grid", o.Method)
	}
	if o.Step < 0 || o.Step%time.Second != 0 || o.Step > fleet.MaxStep {
		return "", fmt.Errorf("a step of %s is not whole seconds up to a day", o.Step)
	}
	if (o.Username != "" || o.Password != "" || o.PasswordFile != "") && (o.BearerToken != "" || o.BearerTokenFile != "") {
		return "", errors.New("basic and bearer authentication exclude each other")
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return "", errors.New("a client certificate needs both a certificate and a key")
	}
	for field := range o.Fields {
		if !isField(field) {
			return "", fmt.Errorf("%q is no field of a host that labels tell%s", field, fleet.DidYouMean(field, fieldNames()))
		}
	}
	if err := checkMatchers(o.Matchers); err != nil {
		return "", err
	}
	return names.ParseSchema(o.Schema)
}

func def[T int | int64 | time.Duration](v *T, value T) {
	if *v == 0 {
		*v = value
	}
}

// checkMatchers refuses what would end a selector.
func checkMatchers(s string) error {
	quoted, escaped := byte(0), false
	for i := range len(s) {
		c := s[i]
		switch {
		case escaped:
			escaped = false
		case quoted != 0 && quoted != '`' && c == '\\':
			escaped = true
		case quoted != 0 && c == quoted:
			quoted = 0
		case quoted == 0 && (c == '"' || c == '\'' || c == '`'):
			quoted = c
		case quoted == 0 && (c == '{' || c == '}'):
			return fmt.Errorf("matchers %q: write them without braces, such as job=\"node\"", s)
		}
	}
	if quoted != 0 || escaped {
		return fmt.Errorf("matchers %q: a quote is not closed", s)
	}
	return nil
}

// encoding is what may come over the wire: compressed answers cost more than
// they save where nothing is between us and the engine.
func (o *Options) encoding() string {
	if u, err := url.Parse(o.URL); err == nil {
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			return "identity"
		}
	}
	return "gzip"
}

func (o *Options) authorize(r *http.Request) error {
	secret := func(value, file string) (string, error) {
		if file == "" {
			return value, nil
		}
		text, err := os.ReadFile(file)
		return strings.TrimSpace(string(text)), err
	}
	if o.BearerToken != "" || o.BearerTokenFile != "" {
		token, err := secret(o.BearerToken, o.BearerTokenFile)
		if err != nil {
			return fmt.Errorf("read bearer token: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if o.Username != "" || o.Password != "" || o.PasswordFile != "" {
		password, err := secret(o.Password, o.PasswordFile)
		if err != nil {
			return fmt.Errorf("read password: %w", err)
		}
		r.SetBasicAuth(o.Username, password)
	}
	return nil
}

// dial makes the client.
func (o *Options) dial() (*client, error) {
	u, err := url.Parse(strings.TrimSpace(o.URL))
	if err != nil {
		return nil, fmt.Errorf("address %s is not understood: use http://prometheus:9090", webclient.Show(o.URL))
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("address %s is not http:// or https:// and a host", webclient.ShowURL(u))
	}
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/api/v1")
	t, err := webclient.Transport(o.CAFile)
	if err != nil {
		return nil, err
	}
	t.ResponseHeaderTimeout = 0 // the time-out of the request is the bound
	t.DisableCompression = true // we say ourselves what we take
	t.MaxIdleConnsPerHost = max(o.Concurrency, 2)
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.ServerName = o.ServerName
	t.TLSClientConfig.InsecureSkipVerify = o.Insecure
	if o.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read client certificate: %w", err)
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	texts := []string{o.Password, o.BearerToken}
	for name, v := range o.Headers {
		if len(v) >= 6 && http.CanonicalHeaderKey(name) != "X-Scope-Orgid" { // a tenant is no secret, and "1" is in many texts
			texts = append(texts, v)
		}
	}
	c := &client{base: u, shown: webclient.ShowURL(u), options: o, secrets: webclient.SecretsOf([]string{o.URL}, texts...), slots: make(chan struct{}, o.Concurrency)}
	c.http = &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c, nil
}
