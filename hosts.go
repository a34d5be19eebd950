package leanfleet

import (
	"context"
	"fmt"

	"github.com/leanfleet/leanfleet/fleet"
)

// HostOption says more of a host that is added.
type HostOption func(*fleet.Statement)

// WithInstance says what the host is: "aws", "us-east-1", "m5.large". Its size
// is taken from the types table.
func WithInstance(provider, region, instanceType string) HostOption {
	return func(s *fleet.Statement) {
		s.Provider, s.Region, s.InstanceType = provider, region, instanceType
	}
}

// WithCapacity says how large the host is, where no types table knows.
func WithCapacity(vcpus float64, memoryBytes int64) HostOption {
	return func(s *fleet.Statement) {
		s.Capacity = fleet.Capacity{VCPUs: vcpus, MemoryBytes: memoryBytes}
	}
}

// AddHost states that a host exists and what it is. A new host is valid from
// the beginning of time. A repeated call with other values is a change at the
// clock of Options.
func (m *Monitor) AddHost(ctx context.Context, name string, tags fleet.Tags, options ...HostOption) error {
	if name == "" {
		return fmt.Errorf("add host: the name is empty")
	}
	s := fleet.Statement{Record: fleet.Record{Host: fleet.HostID(name), Name: name, Tags: tags}}
	for _, o := range options {
		o(&s)
	}
	r, err := m.PutRecords(ctx, []fleet.Statement{s}, fleet.Put{Why: "AddHost"})
	if err != nil {
		return fmt.Errorf("add host %s: %w", name, err)
	}
	if len(r.Conflicts) > 0 {
		return fmt.Errorf("add host %s: %s", name, r.Conflicts[0].Reason)
	}
	return nil
}

// Records returns the records that a selector matches in a window, by host,
// then time; see [fleet.Source].
func (m *Monitor) Records(ctx context.Context, sel fleet.Selector, w fleet.Window) ([]fleet.Record, error) {
	return m.store.Records(ctx, sel, w)
}

// PutRecords states what hosts are; see [fleet.Sink]. At, Who and Effective of
// the put are filled in where they are empty.
func (m *Monitor) PutRecords(ctx context.Context, statements []fleet.Statement, put fleet.Put) (fleet.PutResult, error) {
	return m.store.PutRecords(ctx, statements, m.put(put))
}

func (m *Monitor) put(p fleet.Put) fleet.Put {
	if p.At.IsZero() {
		p.At = m.options.Clock()
	}
	if p.Who == "" {
		p.Who = m.options.Who
	}
	return p
}

// Append stores measurements; see [fleet.Sink]. It is made for batches: each
// call is one durable commit.
func (m *Monitor) Append(ctx context.Context, batches []fleet.Batch) (fleet.Appended, error) {
	return m.store.Append(ctx, batches)
}
