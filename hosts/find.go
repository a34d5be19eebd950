package hosts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/inventory"
)

// Records finds records of hosts.
type Records interface {
	Records(ctx context.Context, sel fleet.Selector, w fleet.Window) ([]fleet.Record, error)
}

// SharedNameError is the error of a name that several hosts have: which of them is
// meant nobody can tell. It wraps [fleet.ErrUnknownHost].
type SharedNameError struct {
	Name string
	// Hosts are the ids of those that have it, in order.
	Hosts []fleet.HostID
}

func (e *SharedNameError) Error() string {
	const most = 5
	var list []string
	for i, id := range e.Hosts {
		if i == most {
			list = append(list, fmt.Sprintf("%d more", len(e.Hosts)-most))
			break
		}
		list = append(list, string(id))
	}
	return fmt.Sprintf("%q is the name of several hosts; say which one by its id: %s", e.Name, strings.Join(list, ", "))
}

func (e *SharedNameError) Unwrap() error { return fleet.ErrUnknownHost }

// Find returns the host of an id, or of an alias valid at a time. The error of a
// name that several hosts have is a [SharedNameError], that of an unknown one
// wraps [fleet.ErrUnknownHost].
func Find(ctx context.Context, records Records, directory Directory, key string, at time.Time) (inventory.Host, error) {
	h, unknown := directory.Host(key, at)
	if !errors.Is(unknown, fleet.ErrUnknownHost) {
		return h, unknown
	}
	list, err := records.Records(ctx, fleet.Selector{}, instant(at))
	if err != nil {
		return inventory.Host{}, errors.Join(unknown, err)
	}
	shared := &SharedNameError{Name: key}
	for i := range list {
		if r := &list[i]; r.Name == key && r.State != fleet.StateTerminated && r.ValidAt(at) {
			shared.Hosts = append(shared.Hosts, r.Host)
		}
	}
	if len(shared.Hosts) < 2 {
		return inventory.Host{}, unknown
	}
	slices.Sort(shared.Hosts)
	return inventory.Host{}, shared
}
