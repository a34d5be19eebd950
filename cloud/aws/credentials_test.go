package aws

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Credentials that have expired are an error of their own kind that names the
// provider and says what to do, whichever service says so first. What was read
// before stays, no list counts as read, and nothing of the credentials is told.
func TestExpiredCredentials(t *testing.T) {
	for _, c := range []struct {
		name, code string
		ec2        bool // only EC2 refuses them
	}{
		{"a session that ended", "ExpiredTokenException", false},
		{"keys that nobody knows", "UnrecognizedClientException", false},
		{"a wrong signature", "InvalidSignatureException", false},
		{"a clock that is wrong", "RequestExpired", true},
		{"a session that EC2 knows to have ended", "ExpiredToken", true},
	} {
		s := newServices(t)
		text := "The security token included in the request is expired: " + testToken + " " + testKey
		asked := 0
		s.prices.before = func(w http.ResponseWriter, _ string, _ int) bool {
			asked++
			if !c.ec2 {
				fault(w, http.StatusBadRequest, c.code, text)
			}
			return !c.ec2
		}
		s.ec2.before = func(w http.ResponseWriter, _ string, _ int) bool {
			if c.ec2 {
				ec2Fault(w, http.StatusBadRequest, c.code, text)
			}
			return c.ec2
		}
		r := read(t, s.options(), "us-east-1")
		if !errors.Is(r.err, ErrCredentials) || !strings.Contains(r.err.Error(), "AWS") || !strings.Contains(r.err.Error(), "aws sso login") || !strings.Contains(r.err.Error(), c.code) {
			t.Errorf("%s: %v", c.name, r.err)
		}
		if !c.ec2 && (len(r.report.Lists) > 0 || asked != 1) {
			t.Errorf("%s: asked %d times, lists %v", c.name, asked, r.report.Lists)
		}
		secretFree(t, r)
	}
	// What an account may not do is another matter.
	s := newServices(t)
	s.prices.before = func(w http.ResponseWriter, _ string, _ int) bool {
		fault(w, http.StatusBadRequest, "AccessDeniedException", "no")
		return true
	}
	if r := read(t, s.options(), "us-east-1"); r.err == nil || errors.Is(r.err, ErrCredentials) {
		t.Error(r.err)
	}
	// Neither is a session that cannot be renewed another one than none at all.
	s = newServices(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	if r := read(t, s.options(), "us-east-1"); !errors.Is(r.err, ErrCredentials) || s.prices.asked > 0 {
		t.Error(r.err)
	}
}

// The user, the password and the query of a mirror's address stand in no error,
// no progress and no report, whoever repeats them, and open every file.
func TestNoSecretsOfAddresses(t *testing.T) {
	secrets := []string{"mirror-user", "mirror-password", "signature-1", "signature%2F2", "signature/2"}
	with := func(address string) string {
		return strings.Replace(address, "://", "://mirror-user:mirror-password@", 1) + "?sig=signature-1&b=signature%2F2"
	}
	echo := func(status int, head http.Header) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for k, v := range head {
				w.Header()[k] = v
			}
			w.WriteHeader(status)
			user, password, _ := r.BasicAuth()
			fmt.Fprintf(w, `{"offers":{"AmazonEC2":{"currentRegionIndexUrl":"x?%s %s %s"}}}`, r.RequestURI, user, password)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	answers := echo(200, nil)
	for _, address := range []string{
		echo(503, nil), echo(403, nil), answers, "http://127.0.0.1:1", "http://no such host", "nonsense://example.invalid",
		echo(302, http.Header{"Location": {"http://mirror-user:mirror-password@127.0.0.1:1/?sig=signature-1"}}),
	} {
		for _, query := range []bool{false, true} {
			s := newServices(t)
			o := s.options()
			if o.Query = query; query {
				o.PricingURL, o.EC2URL = with(address), with(address)
			} else {
				o.BaseURL = with(address)
			}
			said := ""
			o.Progress = func(p Progress) { said += fmt.Sprintf("%+v\n", p) }
			r := read(t, o, "us-east-1")
			all := said + fmt.Sprintf("%+v", r.report)
			for err := r.err; err != nil; err = errors.Unwrap(err) {
				all += fmt.Sprintf("%v %+v %#v\n", err, err, err)
			}
			if r.err == nil && !(query && address == answers) { // an answer without products is none
				t.Errorf("%s, query %v: no error", address, query)
			}
			for _, secret := range secrets {
				if strings.Contains(all, secret) {
					t.Errorf("%s, query %v: %s is told: %s", address, query, secret, all)
				}
			}
		}
	}
	b := newBulkServer(t, offerFile("AmazonEC2", theRows()...), theAddresses(), theSavings())
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "mirror-user" || password != "mirror-password" || r.URL.Query().Get("sig") != "signature-1" {
			t.Errorf("%s as %s", r.URL, user)
		}
		r.Header.Del("Authorization")
		b.ServeHTTP(w, r)
	}))
	defer mirror.Close()
	said := ""
	o := Options{BaseURL: with(mirror.URL), Progress: func(p Progress) { said += p.URL + "\n" }}
	if r := read(t, o, "us-east-1"); r.err != nil || len(r.lines) == 0 {
		t.Error(r.err)
	}
	if said == "" {
		t.Error("no progress")
	}
	for _, secret := range secrets {
		if strings.Contains(said, secret) {
			t.Error(said)
		}
	}
}
