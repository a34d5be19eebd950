package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// chain is what an error says however it is printed or unwrapped.
func chain(err error) string {
	all := ""
	for ; err != nil; err = errors.Unwrap(err) {
		all += fmt.Sprintf("%v %+v %#v\n", err, err, err)
	}
	return all
}

// transport answers the requests of a sign-in.
type transport func(r *http.Request) (int, string)

func (f transport) Do(r *http.Request) (*http.Response, error) {
	status, body := f(r)
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// Credentials that have expired are an error of their own kind that names the
// provider and says what to do; all prices have come before it, and it holds
// nothing of the credentials, even where the server repeats them.
func TestExpiredCredentials(t *testing.T) {
	const secret = "client-secret~1"
	signIn := func(status int, body string) azcore.TokenCredential {
		c, err := azidentity.NewClientSecretCredential("11111111-1111-1111-1111-111111111111", "app", secret, &azidentity.ClientSecretCredentialOptions{
			DisableInstanceDiscovery: true,
			ClientOptions: azcore.ClientOptions{
				Cloud: cloud.AzurePublic, Retry: policy.RetryOptions{MaxRetries: -1},
				Transport: transport(func(r *http.Request) (int, string) {
					if strings.Contains(r.URL.Path, "openid-configuration") {
						at := "https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111"
						return 200, fmt.Sprintf(`{"token_endpoint":"%[1]s/oauth2/v2.0/token","authorization_endpoint":"%[1]s/authorize","issuer":"%[1]s/v2.0"}`, at)
					}
					return status, body
				}),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, c := range []struct {
		name       string
		credential azcore.TokenCredential
		body       string
		want       string
	}{
		{"an expired token", token{}, `{"error":{"code":"ExpiredAuthenticationToken","message":"The access token expiry UTC time is earlier than now: secret-token"}}`, "the server answers 401 ExpiredAuthenticationToken"},
		{"an invalid token", token{}, `{"error":{"code":"InvalidAuthenticationToken","message":"secret-token"}}`, "401 InvalidAuthenticationToken"},
		{"an expired secret", signIn(401, `{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys are expired: `+secret+`","error_codes":[7000222]}`), "", "the sign-in answers AADSTS7000222"},
		{"a refresh token that ended", signIn(400, `{"error":"invalid_grant","error_description":"AADSTS700082: The refresh token has expired due to inactivity. `+secret+`"}`), "", "the sign-in answers AADSTS700082"},
		{"an answer without a code", signIn(400, secret), "", "no sign-in of the default chain worked"},
		{"nobody", failing{}, "", "no sign-in of the default chain worked"},
	} {
		f := newFake(t, vm("Standard_D2s_v3", ds, 0.096))
		o := withSKUs(t, f.options(), func(w http.ResponseWriter, _ *http.Request, _ string) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, c.body)
		})
		o.Credential = c.credential
		items, err := collect(t, New(o), "eastus")
		if !errors.Is(err, ErrCredentials) || len(items) != 1 || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "Azure") || !strings.Contains(err.Error(), "az login") {
			t.Errorf("%s: %d items, %v", c.name, len(items), err)
		}
		for _, s := range []string{"secret-token", secret} {
			if strings.Contains(chain(err), s) {
				t.Errorf("%s: the error holds %s: %v", c.name, s, err)
			}
		}
	}
	// What an account may not do is another matter.
	f := newFake(t, vm("Standard_D2s_v3", ds, 0.096))
	o := withSKUs(t, f.options(), func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"error":{"code":"AuthorizationFailed","message":"secret-token"}}`)
	})
	if _, err := collect(t, New(o), "eastus"); err == nil || errors.Is(err, ErrCredentials) || strings.Contains(chain(err), "secret-token") {
		t.Error(err)
	}
}

// failing is a credential that has none.
type failing struct{}

func (failing) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, azidentity.NewCredentialUnavailableError("nothing is set")
}

// The user, the password and the query of a mirror's address stand in no error
// and in no progress, whoever repeats them, and are sent with every page.
func TestNoSecretsOfAddresses(t *testing.T) {
	secrets := []string{"mirror-user", "mirror-password", "signature-1", "signature%2F2", "signature/2"}
	with := func(address string) string {
		return strings.Replace(address, "://", "://mirror-user:mirror-password@", 1) + "/api/retail/prices?sig=signature-1&b=signature%2F2"
	}
	echo := func(status int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			user, password, _ := r.BasicAuth()
			fmt.Fprintf(w, body, r.RequestURI, user, password, r.Host)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	for _, address := range []string{
		echo(502, "%s %s %s"), echo(403, "%s %s %s"), echo(200, `{"Items":[],"NextPageLink":"http://mirror-user:mirror-password@%%zz/?sig=signature-1"}`),
		echo(200, `{"Items":[],"NextPageLink":"https://mirror-user:mirror-password@example.invalid/?sig=signature-1"}`),
		echo(302, ""), "http://127.0.0.1:1", "http://no such host", "ftp://example.invalid",
	} {
		f := newFake(t)
		o := f.options()
		o.Endpoint = with(address)
		said := ""
		o.Progress = func(p Progress) { said += fmt.Sprintf("%+v %v\n", p, p.Cause) }
		s := New(o)
		_, err := collect(t, s, "eastus")
		_, other := s.Regions(t.Context())
		if err == nil || other == nil {
			t.Error(address, err, other)
		}
		for _, secret := range secrets {
			if strings.Contains(said+chain(err)+chain(other), secret) {
				t.Errorf("%s: %s is told: %s%v", address, secret, said, err)
			}
		}
	}
	f := newFake(t, sample()...)
	f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user != "mirror-user" || password != "mirror-password" || r.URL.Query().Get("sig") != "signature-1" {
			t.Errorf("%s as %s", r.URL, user)
		}
		return false
	}
	o := f.options()
	o.Endpoint = with(f.URL)
	if _, err := collect(t, New(o), "eastus"); err != nil {
		t.Error(err)
	}
}
