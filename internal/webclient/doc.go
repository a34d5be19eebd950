// Package webclient holds what the price sources of all clouds do alike when
// they talk HTTP: the proxy and the certificates of the user, pauses between
// two tries, and what may be told of an address in an error.
//
//	t := http.DefaultTransport.(*http.Transport).Clone()
//	if err := webclient.Harden(t, caFile); err != nil {
//		return err
//	}
//	hidden := webclient.SecretsOf(mirror)
//	return hidden.Error(err) // without user, password and query of any address
//
// It makes no requests and knows no provider.
package webclient
