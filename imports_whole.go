package leanfleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/cloudcli"
	"github.com/leanfleet/leanfleet/inventory"
)

// parseWhole reads which scopes the listing is whole of.
func (l *listing) parseWhole() error {
	whole := l.req.Whole
	switch {
	case !(l.req.MaxEnded >= 0 && l.req.MaxEnded <= 1): // also what is no number
		return fleet.BadRequest(fmt.Errorf("of a scope's hosts a share of %v cannot end: it lies between 0 and 1", l.req.MaxEnded))
	case whole == "":
		return nil
	case slices.Contains(cloudcli.Levels(), cloudcli.Level(whole)):
		l.level = cloudcli.Level(whole)
		return nil
	case !strings.Contains(whole, "="):
		return fleet.BadRequest(fmt.Errorf("whole %q: use account, region, zone, group, or a selector such as account=123456789012,region=eu-west-1", whole))
	}
	sel, err := l.m.environment().Selector(whole)
	if err != nil {
		return fmt.Errorf("whole %q: %w", whole, err)
	}
	l.selector = &sel
	return nil
}

func (l *listing) whole() bool { return l.level != "" || l.selector != nil }

// scope is hosts of which the listing names every one that there is.
type scope struct {
	WholeScope
	gone []EndedHost
	// places are those of the next narrower level of which a machine is listed, and
	// elsewhere the hosts to be ended of others.
	places    map[string]bool
	elsewhere []EndedHost
}

// shows notes that a machine of a place is listed.
func (s *scope) shows(place string) {
	if s.places == nil {
		s.places = map[string]bool{}
	}
	s.places[place] = true
}

// endMissing ends the hosts of whole scopes that are not listed.
func (l *listing) endMissing(ctx context.Context, listed map[fleet.HostID]*cloudcli.Listed) error {
	if !l.whole() {
		return nil
	}
	scopes, err := l.scopes(ctx, listed)
	if err != nil {
		return err
	}
	if err := l.missing(ctx, listed, scopes); err != nil {
		return err
	}
	var names []string
	for name := range scopes {
		names = append(names, name)
	}
	slices.Sort(names)
	var tooMany []error
	for _, name := range names {
		s := scopes[name]
		s.Ended = len(s.gone)
		slices.SortFunc(s.gone, func(a, b EndedHost) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Host, b.Host)) })
		if limit := cmp.Or(l.req.MaxEnded, maxEnded); float64(s.Ended) > limit*float64(s.Ended+s.Listed) {
			tooMany = append(tooMany, s.tooMany(limit))
		}
		l.result.Whole = append(l.result.Whole, s.WholeScope)
	}
	if len(tooMany) > 0 {
		return errors.Join(tooMany...)
	}
	for _, name := range names {
		if err := l.partial(scopes[name]); err != nil {
			return err
		}
	}
	for _, name := range names {
		reason := fmt.Sprintf("not listed in %s, which is whole of %s", l.files(), name)
		if err := l.end(ctx, scopes[name].gone, func(EndedHost) string { return reason }); err != nil {
			return err
		}
	}
	return nil
}

// partial is the error of a listing that is said to be whole of an account and looks
// like one of a single region, zone or resource group: it shows no other, and
// hosts of others would end. A share that somebody allowed to end says otherwise.
func (l *listing) partial(s *scope) error {
	if l.level != cloudcli.Account || l.req.MaxEnded != 0 || len(s.places) != 1 || len(s.elsewhere) == 0 {
		return nil
	}
	var place string
	for place = range s.places {
	}
	var names []string
	for _, e := range s.elsewhere {
		names = append(names, named(e.Name, e.Host))
	}
	return fmt.Errorf("%s: all that is listed is of %s, and %s elsewhere would be ended: %s; is the listing of %s only? If it is whole, repeat it with --max-ended 100%%",
		s.Scope, place, counted(len(names), "host", "hosts"), few(names), place)
}

// part is the place within an account that a tool's listing is easily cut down to.
func part(p cloudcli.Place) string {
	level := map[string]cloudcli.Level{"aws": cloudcli.Region, "azure": cloudcli.Group, "gcp": cloudcli.Zone}[p.Provider]
	if out, ok := p.Cut(level); ok {
		return out.String()
	}
	return ""
}

// tooMany is the error of a scope that would lose too many hosts.
func (s *scope) tooMany(limit float64) error {
	var names []string
	for _, e := range s.gone {
		names = append(names, named(e.Name, e.Host))
	}
	return fmt.Errorf("%s: %d of %d hosts are not listed and would be ended, more than %.4g %%: %s; is the listing whole? If so, repeat it with --max-ended 100%%",
		s.Scope, s.Ended, s.Ended+s.Listed, 100*limit, few(names))
}

// scopes are those that the listing is whole of, with the hosts it lists counted.
func (l *listing) scopes(ctx context.Context, listed map[fleet.HostID]*cloudcli.Listed) (map[string]*scope, error) {
	out := map[string]*scope{}
	if l.selector != nil {
		out[l.req.Whole] = &scope{WholeScope: WholeScope{Scope: l.req.Whole}}
	}
	for _, id := range slices.Sorted(maps.Keys(listed)) { // an error names the same host each time
		x, name := listed[id], l.req.Whole
		if l.selector != nil {
			records, now, err := l.records(ctx, string(id))
			if err != nil {
				return nil, err
			}
			if now < 0 || !l.selector.Matches(&records[now]) {
				continue
			}
		} else {
			place, ok := x.Cut(l.level)
			if !ok {
				return nil, fmt.Errorf("%s: %s: the listing does not tell its %s, so it cannot be whole of that: name the scope by a selector, or leave out --query", l.files(), x.Host, l.untold(x))
			}
			if name = place.String(); out[name] == nil {
				out[name] = &scope{WholeScope: WholeScope{Scope: name}}
			}
		}
		if x.State != fleet.StateTerminated {
			out[name].Listed++
			out[name].shows(part(x.Place))
		}
	}
	return out, nil
}

// untold is what a machine's place lacks.
func (l *listing) untold(x *cloudcli.Listed) string {
	if x.Account == "" {
		return string(cloudcli.Account)
	}
	return string(l.level)
}

// missing adds to scopes the hosts of theirs that are not listed.
func (l *listing) missing(ctx context.Context, listed map[fleet.HostID]*cloudcli.Listed, scopes map[string]*scope) error {
	clouds := map[string]bool{}
	for i := range l.outputs {
		p := l.outputs[i].Format.Provider()
		if p == "" {
			return fmt.Errorf("%s: nothing in it says which tool printed it: say so with --from, such as --from aws-cli", called(l.req.Inventory[i]))
		}
		clouds[p] = true
	}
	known, err := l.m.store.Records(ctx, fleet.Selector{}, fleet.Window{Start: l.at, End: l.at.Add(time.Millisecond)})
	if err != nil {
		return fmt.Errorf("find the hosts of earlier listings: %w", err)
	}
	shown := l.shown()
	var alive, later []string
	for i := range known {
		r := &known[i]
		if _, is := listed[r.Host]; is || !clouds[r.Provider] || !r.ValidAt(l.at) {
			continue
		}
		records, now, err := l.records(ctx, string(inventory.Exactly(r.Host)))
		if err != nil {
			return err
		}
		if now < 0 || !mayEnd(records, now, l.at) {
			continue
		}
		keys, listed, err := l.keys(r.Host)
		if err != nil {
			return err
		}
		if !shown.lacks(keys) {
			continue
		}
		switch s := l.scopeOf(&records[now], keys, scopes); {
		case s == nil:
		case listed.After(l.at):
			later = append(later, records[now].DisplayName())
		case records[now].Seen.End.After(l.at.Add(-justBefore)):
			alive = append(alive, records[now].DisplayName())
		default:
			e := ended(&records[now], l.at)
			s.gone = append(s.gone, e)
			if places := cloudcli.PlacesOf(&records[now], keys); len(places) == 1 && part(places[0]) != "" && !s.places[part(places[0])] {
				s.elsewhere = append(s.elsewhere, e)
			}
		}
	}
	if len(alive) > 0 {
		l.result.Notes = append(l.result.Notes, "Not listed, but measured after the listing or just before it, so they go on: "+few(alive)+".")
	}
	if len(later) > 0 {
		l.result.Notes = append(l.result.Notes, "Not listed, but named by a later listing, so they go on: "+few(later)+".")
	}
	return nil
}

// justBefore is how long before a listing a host may have been measured last that
// is not listed, and goes on nevertheless: clocks differ, a listing takes its
// time. Where it is gone the next listing ends it.
const justBefore = 15 * time.Minute

// shown is what a listing shows beside its hosts.
type shown struct {
	machines  bool
	resources map[string]bool
	sets      map[string]bool // scale sets; "" is machines of none
}

func (l *listing) shown() shown {
	out := shown{resources: map[string]bool{}, sets: map[string]bool{}}
	for i := range l.outputs {
		for j := range l.outputs[i].Listed {
			id := l.outputs[i].Listed[j].Resource
			out.machines, out.resources[id], out.sets[cloudcli.SetOf(id)] = true, true, true
		}
	}
	return out
}

// lacks says whether a host of these keys would be shown if it were there: the clouds
// know it, no machine shown has its resource id, and machines are shown of its
// scale set, which other commands list.
func (s *shown) lacks(keys []fleet.Alias) bool {
	set := ""
	for _, k := range keys {
		if k.Kind != fleet.AliasResource {
			continue
		}
		if s.resources[k.Key] {
			return false
		}
		set = cmp.Or(cloudcli.SetOf(k.Key), set)
	}
	return len(keys) > 0 && (s.sets[set] || set == "" && !s.machines)
}

// scopeOf is the scope that a host is of; nil is none. A host that may be in several
// places is of one only where all of them are whole.
func (l *listing) scopeOf(r *fleet.Record, keys []fleet.Alias, scopes map[string]*scope) *scope {
	if l.selector != nil {
		if !l.selector.Matches(r) {
			return nil
		}
		return scopes[l.req.Whole]
	}
	var out *scope
	for _, at := range cloudcli.PlacesOf(r, keys) {
		place, _ := at.Cut(l.level)
		if out = scopes[place.String()]; out == nil {
			return nil
		}
	}
	return out
}

// few names some of a list.
func few(names []string) string {
	const most = 5
	if n := len(names); n > most {
		names = append(names[:most:most], fmt.Sprintf("%d more", n-most))
	}
	return strings.Join(names, ", ")
}

// mayEnd says whether a host has not ended, and nothing was stated of it after a time.
func mayEnd(records []fleet.Record, now int, at time.Time) bool {
	r := &records[now]
	return r.State != fleet.StateTerminated && now == len(records)-1 && !r.Stated.After(at)
}

// keys are those by which clouds know a host, as they are now, and when a listing
// last named it.
func (l *listing) keys(id fleet.HostID) ([]fleet.Alias, time.Time, error) {
	h, err := l.m.store.Host(string(inventory.Exactly(id)), l.at)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("find the keys of a host: %w", err)
	}
	var out []fleet.Alias
	for _, a := range h.Aliases {
		if (a.Kind == fleet.AliasInstance || a.Kind == fleet.AliasResource) && a.Window().Contains(l.at) {
			out = append(out, fleet.Alias{Kind: a.Kind, Key: a.Key})
		}
	}
	if cloudcli.IsResource(string(id)) {
		out = append(out, fleet.Alias{Kind: fleet.AliasResource, Key: string(id)})
	}
	return out, h.Listed, nil
}
