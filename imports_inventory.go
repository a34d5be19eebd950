package leanfleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/cloudcli"
	"github.com/leanfleet/leanfleet/internal/files"
	"github.com/leanfleet/leanfleet/inventory"
)

// EndedHost is a host that an import found to be gone, or to be back.
type EndedHost struct {
	Host    fleet.HostID `json:"host"`
	Name    string       `json:"name"`
	Account string       `json:"account,omitempty"`
	Region  string       `json:"region,omitempty"`
	// At is from when it is terminated; of one that is back, from when it was said
	// to be.
	At time.Time `json:"at"`
	// By is the host that has its resource id now; "" of one that was not listed.
	By fleet.HostID `json:"by,omitempty"`
}

// WholeScope is a scope of which an import listed every host.
type WholeScope struct {
	// Scope is a place, such as "aws 123456789012 us-east-1", or a selector.
	Scope string `json:"scope"`
	// Listed counts the hosts that were listed, Ended those that were not and ran
	// or stood still until then.
	Listed int `json:"listed"`
	Ended  int `json:"ended"`
}

// maxEnded is the share of a scope's hosts that may end at once: a listing that
// fails half way is likelier than a fleet that loses more in one go.
const maxEnded = 0.5

// inventories stages the inventory files of a request.
func (m *Monitor) inventories(ctx context.Context, load fleet.Load, req *ImportRequest, result *ImportResult) error {
	if len(req.Inventory) == 0 {
		return nil
	}
	put := m.put(fleet.Put{Effective: req.Effective, Correct: req.Correct, Why: req.Why, Origin: fleet.OriginImport})
	standing, err := m.store.Conflicts(ctx)
	if err != nil {
		return fmt.Errorf("list the contradictions that stand: %w", err)
	}
	defer result.split(standing)
	if req.From == "" || req.From == "csv" {
		if req.Whole != "" {
			return fleet.BadRequest(errors.New("only a listing that a cloud's tool printed can be whole: say which tool (--from)"))
		}
		for _, path := range req.Inventory {
			statements, err := files.ReadInventory(ctx, path, files.InventoryOptions{Stdin: req.Stdin, Directory: req.Directory})
			if err != nil {
				return err
			}
			put.Why = why(req.Why, "import of "+called(path))
			if err := m.stage(ctx, load, path, statements, put, result); err != nil {
				return err
			}
		}
		return nil
	}
	format, err := cloudcli.ParseFormat(req.From)
	if err != nil {
		return fleet.BadRequest(err)
	}
	put.Origin = fleet.OriginCloud
	l := &listing{m: m, load: load, req: req, put: put, at: put.Effective, result: result}
	if err := l.parseWhole(); err != nil {
		return err
	}
	for _, path := range req.Inventory {
		output, err := cloudcli.Read(ctx, path, cloudcli.Options{Format: format, Stdin: req.Stdin, Directory: req.Directory})
		if err != nil {
			return err
		}
		l.outputs = append(l.outputs, output)
	}
	if l.at.IsZero() {
		l.date()
	}
	return l.stage(ctx)
}

// date finds out of when the listing is: from when its files were written, the
// oldest counting, but no earlier than the newest time it tells.
func (l *listing) date() {
	now := l.put.At
	l.at = now
	for i, path := range l.req.Inventory {
		if path == "-" || l.outputs[i].Machines == 0 {
			continue
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(l.req.Directory, path)
		}
		if info, err := os.Stat(path); err == nil && info.ModTime().Before(l.at) {
			l.at = info.ModTime().UTC().Truncate(time.Second)
		}
	}
	for i := range l.outputs {
		for j := range l.outputs[i].Statements {
			if told := l.outputs[i].Statements[j].From; told.After(l.at) && told.Before(now) {
				l.at = told
			}
		}
	}
	if now.Sub(l.at) < time.Minute {
		l.at = now
		return
	}
	l.put.Effective = l.at
	l.result.Notes = append(l.result.Notes, fmt.Sprintf("The listing is taken to be of %s, when its file was written; --effective says otherwise.", l.at.Format(time.RFC3339)))
}

// split counts the conflicts that stood before, those of one reason once, and
// keeps the others.
func (r *ImportResult) split(standing []fleet.Conflict) {
	if r.Inventory == nil || len(standing) == 0 {
		return
	}
	before := make(map[fleet.Conflict]bool, len(standing))
	for _, c := range standing {
		before[c] = true
	}
	var stood, fresh []fleet.Conflict
	for _, c := range r.Inventory.Conflicts {
		if before[c] {
			stood = append(stood, c)
		} else {
			fresh = append(fresh, c)
		}
	}
	r.Inventory.Conflicts, r.Standing = fresh, len(inventory.Group(stood))
}

// stage stages statements of a file, and says what became of them.
func (m *Monitor) stage(ctx context.Context, load fleet.Load, path string, statements []fleet.Statement, put fleet.Put, result *ImportResult) error {
	r, err := load.PutRecords(ctx, statements, put)
	if err != nil {
		return fmt.Errorf("%s: %w", called(path), err)
	}
	result.Inventory = addPut(result.Inventory, r)
	result.UnknownTypes, err = m.unknownTypes(ctx, load, statements, result.UnknownTypes)
	return err
}

// called is a path as people read it.
func called(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

// why is the reason somebody gave, else another.
func why(given, otherwise string) string {
	if given != "" {
		return given
	}
	return otherwise
}

// listing is outputs of clouds' tools that are read together. docs/inventory-listings.md
// has its rules.
type listing struct {
	m       *Monitor
	load    fleet.Load
	req     *ImportRequest
	put     fleet.Put
	at      time.Time // of the listing
	outputs []cloudcli.Inventory
	result  *ImportResult

	level    cloudcli.Level // of the scopes that are whole; "" is none, or selector
	selector *fleet.Selector
}

// stage stages what the outputs state, and what follows from what they lack.
func (l *listing) stage(ctx context.Context) error {
	l.result.Notes = append(l.result.Notes, cloudcli.Join(l.outputs)...)
	if err := l.check(); err != nil {
		return err
	}
	if err := l.returned(ctx); err != nil {
		return err
	}
	replaced, err := l.replaced(ctx)
	if err != nil {
		return err
	}
	for i := range l.outputs {
		output := &l.outputs[i]
		statements, err := output.StatementsFor(l.at, func(key string) ([]fleet.Record, error) { return l.load.Records(ctx, key, l.at) })
		if err != nil {
			return err
		}
		if err := l.complete(ctx, output, statements); err != nil {
			return err
		}
		l.result.Notes = append(l.result.Notes, output.Notes...)
		put := l.put
		put.Why = why(l.req.Why, "import of "+called(l.req.Inventory[i]))
		if err := l.m.stage(ctx, l.load, l.req.Inventory[i], statements, put, l.result); err != nil {
			return err
		}
	}
	listed, err := l.hosts(ctx)
	if err != nil {
		return err
	}
	replaced = slices.DeleteFunc(replaced, func(e EndedHost) bool { _, both := listed[e.Host]; return both })
	if err := l.end(ctx, replaced, func(e EndedHost) string { return fmt.Sprintf("replaced by %s, which has its resource id", e.By) }); err != nil {
		return err
	}
	return l.endMissing(ctx, listed)
}

// check says what is wrong with outputs that are read together, and declared whole.
func (l *listing) check() error {
	machines, volumes := 0, 0
	for i := range l.outputs {
		machines += l.outputs[i].Machines
		volumes += l.outputs[i].Volumes()
		if l.whole() && l.outputs[i].Truncated {
			return fmt.Errorf("%s: it ends with a NextToken, so it does not list all there is: it cannot be whole", called(l.req.Inventory[i]))
		}
	}
	if machines == 0 && volumes > 0 {
		return errors.New("only disks are listed: they are stored with their machines, so name the listing of those beside it")
	}
	if machines == 0 && l.level != "" {
		l.result.Notes = append(l.result.Notes, "No machine is listed, so nothing is taken for whole; name the scope, such as --whole account=123456789012,region=eu-west-1.")
	}
	return nil
}

// files names the files of the listing, but for those with disks only.
func (l *listing) files() string {
	var out []string
	for i, path := range l.req.Inventory {
		if l.outputs[i].Machines > 0 || l.outputs[i].Volumes() == 0 {
			out = append(out, called(path))
		}
	}
	return strings.Join(out, ", ")
}

// each calls f for the machines that are listed and not terminated, with the
// records of each, as far as they are known, and the index of the one that holds.
func (l *listing) each(ctx context.Context, f func(x *cloudcli.Listed, records []fleet.Record, now int) error) error {
	for i := range l.outputs {
		for j := range l.outputs[i].Listed {
			x := &l.outputs[i].Listed[j]
			if x.State == fleet.StateTerminated {
				continue
			}
			records, now, err := l.records(ctx, string(x.Host))
			if err == nil {
				err = f(x, records, now)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// records are those of a host, and which of them holds at the time of the
// listing; -1 is none.
func (l *listing) records(ctx context.Context, key string) ([]fleet.Record, int, error) {
	records, err := l.load.Records(ctx, key, l.at)
	return records, slices.IndexFunc(records, func(r fleet.Record) bool { return r.ValidAt(l.at) }), err
}

// since is the first of the records before one that have its state.
func since(records []fleet.Record, now int) int {
	for now > 0 && records[now-1].State == records[now].State {
		now--
	}
	return now
}

// returned takes back the end of hosts that are listed.
func (l *listing) returned(ctx context.Context) error {
	var statements []fleet.Statement
	err := l.each(ctx, func(x *cloudcli.Listed, records []fleet.Record, now int) error {
		if now < 0 || records[now].State != fleet.StateTerminated || string(x.Host) == x.Resource {
			return nil // what is known by its path alone may be the next one of that
		}
		first := since(records, now)
		r := &records[first]
		id := inventory.Exactly(r.Host)
		if r.From.IsZero() || slices.ContainsFunc(statements, func(s fleet.Statement) bool { return s.Host == id }) {
			return nil
		}
		s := fleet.Statement{Record: fleet.Record{Host: id, From: r.From}}
		if first > 0 {
			s.State = records[first-1].State
		}
		if s.State == "" {
			s.Clear = []string{"state"}
		}
		statements = append(statements, s)
		l.result.Returned = append(l.result.Returned, ended(r, r.From))
		return nil
	})
	if err != nil {
		return err
	}
	return l.conclude(ctx, statements, func(int) string { return "listed again in " + l.files() + ", so it was not gone" })
}

// conclude stages statements that follow from a listing, those of one reason in one
// write.
func (l *listing) conclude(ctx context.Context, statements []fleet.Statement, reason func(i int) string) error {
	for i := 0; i < len(statements); {
		end := i + 1
		for end < len(statements) && reason(end) == reason(i) {
			end++
		}
		put := l.put
		put.Correct = false
		put.Why = reason(i)
		if l.req.Why != "" {
			put.Why = l.req.Why + ": " + put.Why
		}
		r, err := l.load.PutRecords(ctx, statements[i:end], put)
		if err != nil {
			return fmt.Errorf("%s: %w", l.files(), err)
		}
		l.result.Inventory = addPut(l.result.Inventory, fleet.PutResult{Conflicts: r.Conflicts})
		i = end
	}
	return nil
}

func ended(r *fleet.Record, at time.Time) EndedHost {
	return EndedHost{Host: r.Host, Name: r.DisplayName(), Account: r.Account, Region: r.Region, At: at}
}

// replaced finds hosts whose resource id is that of another machine now.
func (l *listing) replaced(ctx context.Context) ([]EndedHost, error) {
	var out []EndedHost
	err := l.each(ctx, func(x *cloudcli.Listed, own []fleet.Record, _ int) error {
		if x.Resource == "" {
			return nil
		}
		records, now, err := l.records(ctx, x.Resource)
		if err != nil || now < 0 || len(own) > 0 && own[0].Host == records[now].Host {
			return err
		}
		r := &records[now]
		switch {
		case string(r.Host) == x.Resource || r.Host == x.Host:
			return nil // known by its path only: it may be this one
		case !mayEnd(records, now, l.at) || r.Seen.End.After(l.at):
			return nil // an old listing, of the one before
		case slices.ContainsFunc(out, func(e EndedHost) bool { return e.Host == r.Host }):
			return nil // several outputs list the new one
		}
		at := l.at
		if x.Created.After(records[since(records, now)].From) && x.Created.Before(at) {
			at = x.Created
		}
		e := ended(r, at)
		e.By = x.Host
		out = append(out, e)
		return nil
	})
	return out, err
}

// end stages that hosts are terminated.
func (l *listing) end(ctx context.Context, hosts []EndedHost, reason func(EndedHost) string) error {
	statements := make([]fleet.Statement, len(hosts))
	for i, e := range hosts {
		statements[i] = fleet.Statement{Record: fleet.Record{Host: inventory.Exactly(e.Host), State: fleet.StateTerminated, From: e.At}}
	}
	l.result.Ended = append(l.result.Ended, hosts...)
	return l.conclude(ctx, statements, func(i int) string { return reason(hosts[i]) })
}

// complete adds to the statements of an output that tags are gone which an earlier
// listing stated and this one lacks, and the types of disks that are known.
func (l *listing) complete(ctx context.Context, output *cloudcli.Inventory, statements []fleet.Statement) error {
	for i := range output.Listed {
		x := &output.Listed[i]
		records, now, err := l.records(ctx, string(x.Host))
		if err != nil {
			return err
		}
		if now < 0 {
			continue
		}
		s := output.First(statements, i)
		s.Disks = cloudcli.KeepTypes(s.Disks, records[now].Disks)
		l.keepHand(s, &records[now])
		if !x.TagsTold {
			continue
		}
		for key := range records[now].Tags {
			if _, has := x.Tags[key]; !has && l.m.listedBefore(records[now].Host, "tag_"+key) {
				s.Clear = append(s.Clear, "tag_"+key)
			}
		}
		slices.Sort(s.Clear)
	}
	return nil
}

// keepHand leaves out of what a listing states of a host the name and the tags that
// it stated before somebody set them otherwise by hand: it repeats what was known
// then.
func (l *listing) keepHand(s *fleet.Statement, r *fleet.Record) {
	if s.Name != "" && s.Name != r.Name && l.m.replacedByHand(r.Host, "name", s.Name) {
		s.Name = ""
	}
	cloned := false
	for key, value := range s.Tags {
		if have, known := r.Tags[key]; (!known || have != value) && l.m.replacedByHand(r.Host, "tag_"+key, value) {
			if !cloned {
				s.Tags, cloned = maps.Clone(s.Tags), true
			}
			delete(s.Tags, key)
		}
	}
}

// replacedByHand says whether a field of a host was last written by hand, in place
// of a value.
func (m *Monitor) replacedByHand(id fleet.HostID, field, value string) bool {
	h, err := m.store.Host(string(inventory.Exactly(id)), m.options.Clock())
	if err != nil {
		return false
	}
	for _, e := range slices.Backward(h.History) {
		for _, c := range e.Changes {
			if c.Field == field {
				return e.Origin == inventory.OriginHand && c.From == value
			}
		}
	}
	return false
}

// listedBefore says whether a field of a host was last written by a listing.
func (m *Monitor) listedBefore(id fleet.HostID, field string) bool {
	h, err := m.store.Host(string(inventory.Exactly(id)), m.options.Clock())
	if err != nil {
		return false
	}
	for _, e := range slices.Backward(h.History) {
		for _, c := range e.Changes {
			if c.Field == field {
				return e.Origin == fleet.OriginCloud
			}
		}
	}
	return false
}

// hosts are those that are listed, with their place.
func (l *listing) hosts(ctx context.Context) (map[fleet.HostID]*cloudcli.Listed, error) {
	out := map[fleet.HostID]*cloudcli.Listed{}
	for i := range l.outputs {
		for j := range l.outputs[i].Listed {
			x := &l.outputs[i].Listed[j]
			records, err := l.load.Records(ctx, string(x.Host), l.at)
			if err != nil {
				return nil, err
			}
			if len(records) > 0 {
				out[records[0].Host] = x
			}
		}
	}
	return out, nil
}
