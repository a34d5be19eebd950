package server

import (
	"context"
	"errors"

	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/files"
	"github.com/leanfleet/leanfleet/internal/store"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// failure is an error on its way: its text, and what callers may ask of it.
type failure struct {
	Message string   `json:"error"`
	Request bool     `json:"bad_request,omitempty"`
	Kinds   []string `json:"kinds,omitempty"`
	// Misfit says that the request was not understood, as of a client of another
	// version.
	Misfit bool `json:"misfit,omitempty"`
}

// misfit is the error of a request that was not understood.
type misfit struct{ err error }

func (m *misfit) Error() string { return m.err.Error() }
func (m *misfit) Unwrap() error { return m.err }

// kind is an error that callers look for.
type kind struct {
	name string
	err  error
}

func kinds() []kind {
	return []kind{
		{"unknown_host", fleet.ErrUnknownHost}, {"locked", fleet.ErrLocked}, {"closed", fleet.ErrClosed},
		{"impossible", fleet.ErrImpossible}, {"no_capacity", files.ErrNoCapacity}, {"no_data", store.ErrNoData},
		{"no_price", pricing.ErrNoPrice}, {"unknown_type", pricing.ErrUnknownType}, {"unknown_region", pricing.ErrUnknownRegion},
		{"no_rate", money.ErrNoRate}, {"currency", money.ErrCurrency}, {"manifest", chargeback.ErrManifest},
		{"canceled", context.Canceled}, {"deadline", context.DeadlineExceeded},
	}
}

// describe puts an error into a failure.
func describe(err error) failure {
	f := failure{Message: err.Error()}
	var bad *fleet.RequestError
	f.Request = errors.As(err, &bad)
	var other *misfit
	f.Misfit = errors.As(err, &other)
	for _, k := range kinds() {
		if errors.Is(err, k.err) {
			f.Kinds = append(f.Kinds, k.name)
		}
	}
	return f
}

// remoteError is an error of another process: its text, and every error of
// ours that it wrapped there.
type remoteError struct {
	message string
	wrapped []error
}

func (e *remoteError) Error() string   { return e.message }
func (e *remoteError) Unwrap() []error { return e.wrapped }

// restore makes of a failure the error it was.
func (f failure) restore() error {
	e := &remoteError{message: f.Message}
	for _, k := range kinds() {
		for _, name := range f.Kinds {
			if name == k.name {
				e.wrapped = append(e.wrapped, k.err)
			}
		}
	}
	if f.Request {
		return fleet.BadRequest(e)
	}
	return e
}
