package leanfleet

import (
	"context"
	"fmt"
	"slices"
)

// Operation is one thing a Monitor can be asked, by name: the command line and
// whoever serves a Monitor use this list and nothing else. Requests and
// Results are structs with JSON tags.
type Operation struct {
	// Name is the operation's name in snake_case.
	Name string
	// Summary is one line for people.
	Summary string
	// Writes says that the data directory must be open for writing.
	Writes bool
	// NewRequest returns a pointer to an empty Request.
	NewRequest func() any
	// Run answers a request, given as a pointer, with a Result.
	Run func(ctx context.Context, m *Monitor, request any) (any, error)
}

// operation makes an Operation of a method.
func operation[Request, Result any](name, summary string, writes bool, method func(*Monitor, context.Context, Request) (Result, error)) Operation {
	return Operation{
		Name: name, Summary: summary, Writes: writes,
		NewRequest: func() any { return new(Request) },
		Run: func(ctx context.Context, m *Monitor, request any) (any, error) {
			r, ok := request.(*Request)
			if !ok {
				return nil, fmt.Errorf("operation %s: the request is a %T, not a %T", name, request, new(Request))
			}
			return method(m, ctx, *r)
		},
	}
}

// Operations lists every operation once.
func Operations() []Operation {
	return []Operation{
		operation("stats", "statistics of a metric over all samples, by group", false, (*Monitor).Statistics),
		operation("trend", "how a metric developed, by steps and group", false, (*Monitor).Trend),
		operation("top", "hosts ranked by a figure of a metric", false, (*Monitor).Top),
		operation("hosts", "the hosts there are at a time", false, (*Monitor).Hosts),
		operation("host", "what one host is and uses", false, (*Monitor).Host),
		operation("host_history", "what a host's record went through", false, (*Monitor).HostHistory),
		operation("merge_hosts", "make one host of two", true, (*Monitor).MergeHosts),
		operation("status", "what is stored, and what is wrong with it", false, (*Monitor).Status),
		operation("import", "store files of samples and inventories", true, (*Monitor).Import),
		operation("export", "write stored samples or records to a file", false, (*Monitor).Export),
		operation("simulate", "store a synthetic fleet", true, (*Monitor).Simulate),
		operation("retain", "drop the days beyond the retention", true, (*Monitor).Retain),
	}
}

// FindOperation finds an operation by name.
func FindOperation(name string) (Operation, bool) {
	list := Operations()
	i := slices.IndexFunc(list, func(o Operation) bool { return o.Name == name })
	if i < 0 {
		return Operation{}, false
	}
	return list[i], true
}
