package advice

import (
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// DecisionAction is what a person decided about an advised change.
type DecisionAction string

// The decisions.
const (
	// DecisionAccept: the change is to be made.
	DecisionAccept DecisionAction = "accept"
	// DecisionDismiss: the change is not to be made, nor offered again as long
	// as it is the same one.
	DecisionDismiss DecisionAction = "dismiss"
	// DecisionDone: the change was made.
	DecisionDone DecisionAction = "done"
)

// Valid says whether the action is one of those above.
func (a DecisionAction) Valid() bool {
	return a == DecisionAccept || a == DecisionDismiss || a == DecisionDone
}

// Decision is what somebody decided about the change of one host from one
// instance type to another.
type Decision struct {
	// Host is the host's id as the advice has it: that of a scaling group where
	// the advice was a group's.
	Host string `json:"host"`
	// From and To are the instance types of the change. An empty To stands for
	// every change of the host.
	From   string         `json:"from"`
	To     string         `json:"to"`
	Action DecisionAction `json:"action"`
	Who    string         `json:"who,omitempty"`
	Why    string         `json:"why,omitempty"`
	// At is when it was decided. It counts until Until; zero is for good.
	At    time.Time `json:"at,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// MonthlySavings is what the change was to save in a month when it was
	// decided; nil is unknown.
	MonthlySavings *money.Amount `json:"monthly_savings"`
}

// Active says whether the decision counts at an instant: it was made by then,
// and did not run out.
func (d *Decision) Active(at time.Time) bool {
	return !d.At.After(at) && (d.Until.IsZero() || at.Before(d.Until))
}

// About says whether the decision is about a change to an instance type.
func (d *Decision) About(to string) bool { return d.To == "" || d.To == to }
