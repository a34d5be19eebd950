package cloudcli

import (
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Inventory is what an output states.
type Inventory struct {
	Format Format `json:"format"`
	// Machines is the number of machines in it.
	Machines int `json:"machines"`
	// Statements are in the order of the output, those of a machine together.
	Statements []fleet.Statement `json:"-"`
	// Listed are the machines, in the order of the output.
	Listed []Listed `json:"-"`
	// Truncated says that the output tells that there is more.
	Truncated bool `json:"truncated,omitempty"`
	// Notes are what a careful reader should know, such as that the output is
	// not all.
	Notes []string `json:"notes,omitempty"`

	volumes map[string]fleet.Disk
}

// Volumes is the number of disks that an output lists for themselves, as
// "aws ec2 describe-volumes" prints them.
func (inv *Inventory) Volumes() int { return len(inv.volumes) }

// Listed is a machine of an output.
type Listed struct {
	Host fleet.HostID
	Name string
	Place
	// Resource is its path of names, which comes again with the next machine of
	// the name; "" where the tool tells none.
	Resource string
	// Created is when it was made, zero when the tool does not tell.
	Created time.Time
	// State is the present one; "" when the tool does not tell.
	State fleet.State
	// Tags are those it has; all of them where TagsTold, else some that the output
	// was cut down to.
	Tags     fleet.Tags
	TagsTold bool

	statement int        // the index of its first statement
	attached  []attached // nil when unknown
}

// attached is a disk of a machine.
type attached struct {
	volume string      // what lists of disks call it
	told   *fleet.Disk // what the machine tells of it
}

// StatementsFor is Statements to be put at a time, given the records of hosts,
// found by id, as far as anybody knows them. Of others the time at which they were
// made is added, where the tool tells it: their timeline begins there. Of a known host it must not be said again, as
// what it is now is not what it was then. Nor is it said of a machine that is
// stopped since nobody knows when: made long ago, it may never have run.
func (inv *Inventory) StatementsFor(at time.Time, known func(key string) ([]fleet.Record, error)) ([]fleet.Statement, error) {
	out := slices.Clone(inv.Statements)
	for i := range inv.Listed {
		l := &inv.Listed[i]
		if l.Created.IsZero() || !l.Created.Before(at) {
			continue
		}
		end := len(out)
		if i+1 < len(inv.Listed) {
			end = inv.Listed[i+1].statement
		}
		records, err := known(string(l.Host))
		if err != nil {
			return nil, err
		}
		if len(records) == 0 {
			begin(out[l.statement:end], at, l.Created)
		}
	}
	return out, nil
}

// begin lets the timeline of a new host begin when it was made. of are its
// statements: what it is, then its states.
func begin(of []fleet.Statement, at, created time.Time) {
	if last := &of[len(of)-1]; len(of) > 1 && last.From.IsZero() {
		if last.State != fleet.StateRunning {
			return
		}
		last.From = at
	}
	of[0].From = created
}

// First is the statement about what a machine is, among those that StatementsFor
// returned; i is its place in Listed.
func (inv *Inventory) First(statements []fleet.Statement, i int) *fleet.Statement {
	return &statements[inv.Listed[i].statement]
}

// KeepTypes gives disks of which a listing does not tell the type the types they
// were known to have: a disk keeps its type, and its place among the machine's.
func KeepTypes(disks, known []fleet.Disk) []fleet.Disk {
	if len(known) != len(disks) {
		return disks
	}
	out := slices.Clone(disks)
	for i, d := range known {
		if out[i].Type == anyPersistent && d.Type != "local-ssd" {
			out[i].Type = d.Type
		}
	}
	return out
}
