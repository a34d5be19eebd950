package leanfleet

import (
	"context"
	"fmt"
	"slices"

	"github.com/leanfleet/leanfleet/fleet"
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
	// Existing says that it writes to what is there and creates nothing.
	Existing bool
	// Prices says that it needs no store, see Options.PricesOnly.
	Prices bool
	// Engines says that it works on another engine than the embedded store, see
	// Options.Engine.
	Engines bool
	// NewRequest returns a pointer to an empty Request.
	NewRequest func() any
	// NewResult returns a pointer to an empty Result.
	NewResult func() any
	// Run answers a request, given as a pointer, with a Result.
	Run func(ctx context.Context, m *Monitor, request any) (any, error)
}

// needs is what an operation works on.
type needs int

const (
	needsStore  needs = iota // the embedded store
	needsSource              // whatever answers questions
	needsPrices              // prices alone
)

// operation makes an Operation of a method that works on the embedded store.
func operation[Request, Result any](name, summary string, writes bool, method func(*Monitor, context.Context, Request) (Result, error)) Operation {
	o := newOperation(name, summary, needsStore, method)
	o.Writes = writes
	return o
}

// question makes an Operation of a method that works on any engine.
func question[Request, Result any](name, summary string, method func(*Monitor, context.Context, Request) (Result, error)) Operation {
	return newOperation(name, summary, needsSource, method)
}

// priceOperation makes an Operation of a method that needs no store.
func priceOperation[Request, Result any](name, summary string, method func(*Monitor, context.Context, Request) (Result, error)) Operation {
	return newOperation(name, summary, needsPrices, method)
}

func newOperation[Request, Result any](name, summary string, needs needs, method func(*Monitor, context.Context, Request) (Result, error)) Operation {
	return Operation{
		Name: name, Summary: summary, Engines: needs == needsSource, Prices: needs == needsPrices,
		NewRequest: func() any { return new(Request) },
		NewResult:  func() any { return new(Result) },
		Run: func(ctx context.Context, m *Monitor, request any) (any, error) {
			r, ok := request.(*Request)
			switch {
			case !ok:
				return nil, fmt.Errorf("operation %s: the request is a %T, not a %T", name, request, new(Request))
			case m.store == nil && m.options.Engine != nil && needs == needsStore:
				return nil, fleet.BadRequest(fmt.Errorf("operation %s: it works on the embedded store, not on another engine", name))
			case m.store == nil && m.options.Engine == nil && needs != needsPrices:
				return nil, fmt.Errorf("operation %s: the directory was opened for prices only", name)
			}
			return method(m, ctx, *r)
		},
	}
}

// existing marks an operation that creates nothing.
func existing(o Operation) Operation {
	o.Existing = true
	return o
}

// Operations lists every operation once.
func Operations() []Operation {
	return []Operation{
		question("stats", "statistics of a metric over all samples, by group", (*Monitor).Statistics),
		question("trend", "how a metric developed, by steps and group", (*Monitor).Trend),
		question("top", "hosts ranked by a figure of a metric", (*Monitor).Top),
		question("hosts", "the hosts there are at a time", (*Monitor).Hosts),
		question("host", "what one host is and uses", (*Monitor).Host),
		operation("host_history", "what a host's record went through", false, (*Monitor).HostHistory),
		question("rightsize", "a size for each host, with its chance of breaking", (*Monitor).Rightsize),
		question("potential_savings", "what advised sizes would save, by group", (*Monitor).PotentialSavings),
		existing(operation("remember_advice", "advise sizes, and keep what was advised", true, (*Monitor).RememberAdvice)),
		existing(operation("decide", "keep what somebody decided about advised changes", true, (*Monitor).Decide)),
		operation("decisions", "what was decided about advised changes, and what became of it", false, (*Monitor).Decisions),
		question("backtest", "what advice would have saved and broken, had it been followed", (*Monitor).Backtest),
		question("underused", "the hosts that hardly use what they have", (*Monitor).UnderusedHosts),
		question("chargeback", "what the fleet costs in a period, by owner", (*Monitor).Chargeback),
		question("chargeback_explain", "what the chargeback of one host is made of", (*Monitor).ChargebackExplain),
		existing(operation("merge_hosts", "make one host of two", true, (*Monitor).MergeHosts)),
		existing(operation("tag_hosts", "state tags of hosts", true, (*Monitor).TagHosts)),
		existing(operation("rename_host", "state that a host has another name", true, (*Monitor).RenameHost)),
		existing(operation("retire_hosts", "state that hosts are gone for good", true, (*Monitor).RetireHosts)),
		operation("conflicts", "contradictions about hosts that nobody has settled", false, (*Monitor).Conflicts),
		operation("status", "what is stored, and what is wrong with it", false, (*Monitor).Status),
		operation("import", "store files of samples and inventories", true, (*Monitor).Import),
		operation("copy", "copy the history of another engine into the store", true, (*Monitor).Copy),
		operation("export", "write stored samples or records to a file", false, (*Monitor).Export),
		operation("simulate", "store a synthetic fleet", true, (*Monitor).Simulate),
		existing(operation("seal", "write what came lately into the files of days now", true, (*Monitor).Seal)),
		existing(operation("retain", "drop the days beyond the retention", true, (*Monitor).Retain)),
		existing(operation("repair", "drop the days that cannot be read", true, (*Monitor).Repair)),
		priceOperation("price", "what an instance type is and costs", (*Monitor).Price),
		priceOperation("search_prices", "instance types that meet a demand, by price", (*Monitor).SearchPrices),
		priceOperation("equivalents", "types that can stand in for one, and what to check", (*Monitor).Equivalents),
		priceOperation("storage_prices", "what block storage costs in a region", (*Monitor).StoragePrices),
		priceOperation("address_prices", "what public addresses cost in a region", (*Monitor).AddressPrices),
		priceOperation("update_prices", "read the providers' price lists", (*Monitor).UpdatePrices),
		priceOperation("export_prices", "write the prices that were read to a file", (*Monitor).ExportPrices),
		priceOperation("import_prices", "add a file of exported prices", (*Monitor).ImportPrices),
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
