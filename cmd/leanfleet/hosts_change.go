package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/internal/report"
)

func newHostsTag(a *app) *cobra.Command {
	var req leanfleet.TagRequest
	var effective string
	c := &cobra.Command{
		Use:   "tag [HOST...] KEY=VALUE...",
		Short: "State tags of hosts, from a time on",
		Long: `States tags. Without --effective a tag that was unknown is learned for the past,
too, and a different value is a change from now on, so that what was before stays
charged to whom it was; --effective says from when, and nothing of the time
before. --correct says that the old value was wrong. KEY=- clears a tag.`,
		Example: `  leanfleet hosts tag web-1 web-2 dept=eng owner=ada
  leanfleet hosts tag -l name=~build-.* cost_center=cc-104 --effective 2026-01-01
  leanfleet hosts tag web-1 dept=data --correct --why "typo in the old list"`,
		Args: argsBetween(1, -1, "hosts and tags, such as web-1 dept=eng"),
		RunE: func(c *cobra.Command, args []string) error {
			req.Hosts, req.Set, req.Clear = nil, map[string]string{}, nil
			for _, x := range args {
				key, value, ok := strings.Cut(x, "=")
				switch {
				case !ok:
					req.Hosts = append(req.Hosts, x)
				case key == "":
					return usage(fmt.Errorf("%q has no key", x))
				case value == "-":
					req.Clear = append(req.Clear, key)
				case value == "":
					return usage(fmt.Errorf("%q has no value; %s=- clears the tag", x, key))
				default:
					if before, twice := req.Set[key]; twice && before != value {
						return usage(fmt.Errorf("tag %s is given twice: %s and %s", key, before, value))
					}
					req.Set[key] = value
				}
			}
			var err error
			if req.Effective, err = a.time("--effective", effective); err != nil {
				return err
			}
			return changeHosts(c, a, "tag_hosts", &req)
		},
	}
	c.Flags().StringVarP(&req.Select, "selector", "l", "", "hosts, such as `dept=eng,env!=dev,name=~web-.*`")
	c.Flags().StringVar(&effective, "effective", "", "from when the tags hold: a `time` or date (default now)")
	c.Flags().BoolVar(&req.Correct, "correct", false, "replace what was said before in place of recording a change")
	c.Flags().StringVar(&req.Why, "why", "", "a `reason` for the history")
	return c
}

func newHostsRename(a *app) *cobra.Command {
	var req leanfleet.RenameRequest
	var effective string
	c := &cobra.Command{
		Use:   "rename HOST NAME",
		Short: "State that a host has another name, from a time on",
		Long: `The host stays the same: its id does not change, and it is still found under the
old name for the time it had it.`,
		Example: "  leanfleet hosts rename web-1 shop-1 --effective 2026-01-01",
		Args:    argsBetween(2, 2, "a host and its new name"),
		RunE: func(c *cobra.Command, args []string) error {
			req.Host, req.Name = args[0], args[1]
			var err error
			if req.Effective, err = a.time("--effective", effective); err != nil {
				return err
			}
			return changeHosts(c, a, "rename_host", &req)
		},
	}
	c.Flags().StringVar(&effective, "effective", "", "from when the name holds: a `time` or date (default now)")
	c.Flags().StringVar(&req.Why, "why", "", "a `reason` for the history")
	return c
}

func newHostsRetire(a *app) *cobra.Command {
	var req leanfleet.RetireRequest
	var at string
	c := &cobra.Command{
		Use:   "retire [HOST...]",
		Short: "State that hosts are gone for good",
		Long: `A retired host is charged, and expected to be measured, until then. Its history
stays, and its name is free: who bears it later is another host.`,
		Example: "  leanfleet hosts retire web-1 web-2 --at 2026-01-31T18:00:00Z --why \"replaced\"",
		Args:    argsBetween(0, -1, "hosts"),
		RunE: func(c *cobra.Command, args []string) error {
			req.Hosts = args
			var err error
			if req.At, err = a.time("--at", at); err != nil {
				return err
			}
			return changeHosts(c, a, "retire_hosts", &req)
		},
	}
	c.Flags().StringVarP(&req.Select, "selector", "l", "", "hosts, such as `dept=eng,env!=dev,name=~web-.*`")
	c.Flags().StringVar(&at, "at", "", "when they ended: a `time` or date (default now)")
	c.Flags().StringVar(&req.Why, "why", "", "a `reason` for the history")
	return c
}

// changeHosts runs an operation that states something and prints what it did.
func changeHosts(c *cobra.Command, a *app, operation string, request any) error {
	if err := a.checkNames(changeAnswer(&leanfleet.ChangeResult{})); err != nil {
		return err
	}
	r, err := ask[leanfleet.ChangeResult](c.Context(), a, operation, request)
	if err != nil {
		return err
	}
	if err := a.print(changeAnswer(&r)); err != nil {
		return err
	}
	if len(r.Conflicts) > 0 {
		return fmt.Errorf("%s not applied; \"leanfleet hosts conflicts\" lists them", plural(int64(len(r.Conflicts)), "contradiction"))
	}
	return nil
}

func changeAnswer(r *leanfleet.ChangeResult) answer {
	t := &report.Table{Columns: []report.Column{{Key: "what", Header: "hosts"}, {Key: "count", Header: "count", Kind: report.KindInteger}}}
	for _, x := range []struct {
		what string
		n    int
	}{{"learned of", r.Learned}, {"changed", r.Changed}, {"corrected", r.Corrected}, {"unchanged", r.Unchanged}} {
		t.Rows = append(t.Rows, report.Row{report.Text(x.what), report.Integer(int64(x.n))})
	}
	for _, x := range r.Conflicts {
		t.Notes = append(t.Notes, fmt.Sprintf("conflict, not applied: %s: %s", x.Host, x.Reason))
	}
	return answer{result: r, rows: []*leanfleet.ChangeResult{r}, table: t}
}

func newHostsConflicts(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "conflicts",
		Short: "What was said of hosts that contradicts what is known",
		Long: `Contradictions that nobody should guess about, such as one key claimed by two
hosts: they were not applied. A merge, a rename, a retirement or a corrected
inventory settles them; they go by themselves when their cause is gone. Names that
several hosts share, each known by an id, come last: they are no harm, but such a
name finds none of the hosts.`,
		Example: "  leanfleet hosts conflicts",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := ask[leanfleet.ConflictsResult](c.Context(), a, "conflicts", &leanfleet.ConflictsRequest{})
			if err != nil {
				return err
			}
			t := &report.Table{Columns: []report.Column{{Key: "kind", Header: "what"}, {Key: "count", Header: "of", Kind: report.KindInteger},
				{Key: "hosts", Header: "hosts"}, {Key: "reason", Header: "why"}}}
			shared := 0
			for _, x := range r.Conflicts {
				kind, names := "contradiction", make([]string, len(x.Hosts))
				if x.Ambiguous {
					kind = "shared name"
					shared++
				}
				for i, id := range x.Hosts {
					names[i] = string(id)
				}
				list := strings.Join(names, ", ")
				if a.forPeople() {
					list = firstOf(names, 5)
				}
				t.Rows = append(t.Rows, report.Row{report.Text(kind), report.Integer(int64(len(x.Hosts))), report.Text(list), report.Text(x.Reason)})
			}
			t.Notes = []string{plural(int64(len(r.Conflicts)-shared), "contradiction") + ", " + plural(int64(shared), "shared name")}
			return a.print(answer{result: &r, rows: r.Conflicts, table: t})
		},
	}
}
