package webclient

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
)

// redacted stands where something was taken out of a text.
const redacted = "[redacted]"

// Show returns an address as it may be told: without user and password, and
// with the values of its query taken out. A text that is no address is told as
// far as the first sign behind which a secret may stand.
func Show(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return unreadable.ReplaceAllString(address, redacted)
	}
	return ShowURL(u)
}

// unreadable is what may be secret in an address that does not parse.
var unreadable = regexp.MustCompile(`[?#].*|//[^/]*@`)

// ShowURL is Show of an address that was read already. It does not change u.
func ShowURL(u *url.URL) string {
	shown := *u
	shown.User, shown.RawQuery, shown.ForceQuery, shown.Fragment, shown.RawFragment = nil, "", false, "", ""
	text := shown.String()
	if u.RawQuery == "" {
		return text
	}
	names := make([]string, 0, 4)
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, valued := strings.Cut(part, "=")
		if !valued { // a query may be nothing but a secret
			name = redacted
		} else {
			name += "=" + redacted
		}
		names = append(names, name)
	}
	return text + "?" + strings.Join(names, "&")
}

// Secrets are texts that no error may show. The zero value hides what is in
// addresses only.
type Secrets struct{ values []string }

// shortest is the length from which a value of an address is looked for in
// texts; shorter ones would be found in words that hold no secret.
const shortest = 6

// SecretsOf returns the user, the password and the values of the queries of
// addresses, and texts that are secret themselves, such as an API key.
func SecretsOf(addresses []string, texts ...string) Secrets {
	var s Secrets
	add := func(v string) {
		if len(v) >= shortest {
			s.values = append(s.values, v)
			if q := url.QueryEscape(v); q != v {
				s.values = append(s.values, q)
			}
		}
	}
	for _, t := range texts {
		if t != "" {
			s.values = append(s.values, t, url.QueryEscape(t))
		}
	}
	for _, address := range addresses {
		user, password, query := parts(address)
		add(user)
		add(password)
		for part := range strings.SplitSeq(query, "&") {
			_, value, valued := strings.Cut(part, "=")
			if !valued {
				value = part
			}
			add(value)
			if plain, err := url.QueryUnescape(value); err == nil {
				add(plain)
			}
		}
	}
	return s
}

// parts returns what may be secret in an address, also in one that does not
// parse: clients repeat such a one as it was given.
func parts(address string) (user, password, query string) {
	if u, err := url.Parse(address); err == nil {
		password, _ = u.User.Password()
		return u.User.Username(), password, u.RawQuery
	}
	address, _, _ = strings.Cut(address, "#")
	address, query, _ = strings.Cut(address, "?")
	if _, rest, ok := strings.Cut(address, "//"); ok {
		host, _, _ := strings.Cut(rest, "/")
		if i := strings.LastIndexByte(host, '@'); i >= 0 {
			user, password, _ = strings.Cut(host[:i], ":")
		}
	}
	return user, password, query
}

// Text returns a text without the secrets.
func (s Secrets) Text(text string) string {
	for _, v := range s.values {
		text = strings.ReplaceAll(text, v, redacted)
	}
	return text
}

// Error returns an error whose text holds no secret: the address that an HTTP
// client adds is told by Show, and the secrets are taken out. errors.Is and
// errors.As still find what it wraps, but it cannot be unwrapped: what lies
// beneath would tell. An error without any secret is returned as it is.
func (s Secrets) Error(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for e := err; ; {
		var address *url.Error
		if !errors.As(e, &address) {
			break
		}
		text = strings.ReplaceAll(text, address.Error(), address.Op+" "+Show(address.URL)+": "+address.Err.Error())
		e = address.Err
	}
	text = s.Text(text)
	if text == err.Error() {
		return err
	}
	return &hidden{text, err}
}

// hidden is an error with another text.
type hidden struct {
	text string
	err  error
}

func (h *hidden) Error() string        { return h.text }
func (h *hidden) Is(target error) bool { return errors.Is(h.err, target) }
func (h *hidden) As(target any) bool   { return errors.As(h.err, target) }
