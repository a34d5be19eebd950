package gcp

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// chain is what an error says however it is printed or unwrapped.
func chain(err error) string {
	all := ""
	for ; err != nil; err = errors.Unwrap(err) {
		all += fmt.Sprintf("%v %+v %#v\n", err, err, err)
	}
	return all
}

// Credentials that have expired are an error of their own kind that names the
// provider and says what to do. It comes at once and holds nothing of them.
func TestExpiredCredentials(t *testing.T) {
	noCredentials(t)
	const token, assertion = "ya29.secret-token", "eyJ.secret.assertion"
	for _, c := range []struct {
		name          string
		key, proj     string
		status        int
		body          string
		onToken, want string
	}{
		{"an expired token", "", "", 401, `{"error":{"code":401,"status":"UNAUTHENTICATED","message":"Request had invalid authentication credentials"}}`, "", "401"},
		{"a grant that ended", "", "", 400, `{"error":"invalid_grant","error_description":"Token has been expired or revoked. ` + assertion + `"}`, "yes", "invalid_grant"},
		{"reauthentication", "", "", 400, `{"error":"invalid_grant","error_subtype":"invalid_rapt"}`, "yes", "invalid_grant"},
		{"a token server that refuses", "", "", 403, assertion, "yes", "the server answers 403"},
		{"an expired key", key, "", 400, `{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"API key expired. Please renew ` + key + `"}}`, "", "API key expired"},
		{"a key that is none", key, "", 400, `{"error":{"code":400,"message":"no","details":[{"reason":"API_KEY_INVALID"}]}}`, "", "400"},
		{"machine types", key, "proj", 401, `{"error":{"code":401,"status":"UNAUTHENTICATED","message":"expired"}}`, "", "machine types of project proj"},
	} {
		f := newFake(t, n1()...)
		asked := 0
		f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			switch {
			case r.URL.Path == "/token" && c.onToken == "":
				fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, token)
				return true
			case c.proj != "" && strings.HasPrefix(r.URL.Path, "/v1/"):
				return false
			}
			asked++
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
			return true
		}
		serviceAccount(t, f.URL+"/token")
		o := f.options()
		o.APIKey, o.Project = c.key, c.proj
		items, err := collect(t, New(o), "us-central1")
		if !errors.Is(err, ErrCredentials) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "Google Cloud") || !strings.Contains(err.Error(), "gcloud auth application-default login") {
			t.Errorf("%s: %v", c.name, err)
		}
		if asked != 1 || (c.proj != "") != (len(items) > 0) {
			t.Errorf("%s: asked %d times, %d items", c.name, asked, len(items))
		}
		for _, secret := range []string{token, assertion, key, "PRIVATE KEY"} {
			if strings.Contains(chain(err), secret) {
				t.Errorf("%s: the error holds %s: %v", c.name, secret, err)
			}
		}
	}
	// What an account may not do is another matter, and so is a token server
	// that is busy.
	f := newFake(t, n1()...)
	f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		http.Error(w, `{"error":{"code":403,"message":"no"}}`, http.StatusForbidden)
		return true
	}
	if _, err := collect(t, New(f.options()), "us-central1"); err == nil || errors.Is(err, ErrCredentials) {
		t.Error(err)
	}
	tokens := 0
	f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/token" {
			return false
		}
		if tokens++; tokens == 1 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return true
		}
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, token)
		return true
	}
	serviceAccount(t, f.URL+"/token")
	o := f.options()
	o.APIKey = ""
	if items, err := collect(t, New(o), "us-central1"); err != nil || len(items) != 1 || tokens != 2 {
		t.Error(err, tokens)
	}
}

// The user, the password and the query of a mirror's address stand in no error
// and in no progress, whoever repeats them.
func TestNoSecretsOfAddresses(t *testing.T) {
	secrets := []string{"mirror-user", "mirror-password", "signature-1", "signature%2F2"}
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "no ", r.RequestURI, " mirror-user mirror-password")
	}))
	defer echo.Close()
	for _, address := range []string{echo.URL + "/p", "http://127.0.0.1:1/p", "http://no such host", echo.URL + "/p?sig=signature-1&b=signature%2F2", "nonsense?sig=signature-1"} {
		for _, project := range []string{"", "proj"} {
			f := newFake(t, n1()...)
			o := f.options()
			endpoint := &o.BillingEndpoint
			if o.Project = project; project != "" {
				endpoint = &o.ComputeEndpoint
				serviceAccount(t, echo.URL+"?sig=signature-1")
			}
			*endpoint = strings.Replace(address, "://", "://mirror-user:mirror-password@", 1)
			said := ""
			o.Progress = func(p Progress) { said += fmt.Sprintf("%+v %v\n", p, p.Cause) }
			_, err := collect(t, New(o), "us-central1")
			if err == nil {
				t.Error(address)
			}
			for _, s := range append(secrets, "signature/2") {
				if strings.Contains(said+chain(err), s) {
					t.Errorf("%s: %s is told: %s%v", address, s, said, err)
				}
			}
		}
	}
}
