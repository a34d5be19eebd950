package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// HostID is the first natural key learned of a host (provider/account/instance
// id, else machine id, else name). It never changes: files hold it. Names and
// keys learned later are aliases of it.
type HostID string

// State is whether a host runs, as its inventory says.
type State string

// The states of a host. Unknown is the zero value.
const (
	StateUnknown    State = ""
	StateRunning    State = "running"
	StateStopped    State = "stopped"
	StateTerminated State = "terminated"
)

// ParseState reads a state as an inventory writes it; "unknown" and "" are
// unknown.
func ParseState(s string) (State, error) {
	switch x := State(strings.ToLower(s)); x {
	case StateUnknown, "unknown":
		return StateUnknown, nil
	case StateRunning, StateStopped, StateTerminated:
		return x, nil
	}
	return "", fmt.Errorf("unknown state %q: use running, stopped, terminated or unknown", s)
}

// PurchaseOption is how a host is paid for.
type PurchaseOption string

// The purchase options of a host. Unknown is the zero value.
const (
	PurchaseUnknown  PurchaseOption = ""
	PurchaseOnDemand PurchaseOption = "on_demand"
	PurchaseSpot     PurchaseOption = "spot"
	PurchaseReserved PurchaseOption = "reserved"
)

// ParsePurchaseOption reads a purchase option as an inventory writes it.
func ParsePurchaseOption(s string) (PurchaseOption, error) {
	switch x := PurchaseOption(strings.ReplaceAll(strings.ToLower(s), "-", "_")); x {
	case PurchaseUnknown, "unknown":
		return PurchaseUnknown, nil
	case PurchaseOnDemand, PurchaseSpot, PurchaseReserved:
		return x, nil
	}
	return "", fmt.Errorf("unknown purchase option %q: use on_demand, spot, reserved or unknown", s)
}

// Origin is the way a sample or a record came in.
type Origin string

// The origins, from the one believed most to the one believed least.
const (
	OriginAgent     Origin = "agent"
	OriginScrape    Origin = "scrape"
	OriginSSH       Origin = "ssh"
	OriginCloud     Origin = "cloud"
	OriginImport    Origin = "import"
	OriginSimulated Origin = "simulated"
)

// Rank orders origins: where two tell of the same metric, host and time, the
// higher rank is kept, and equal ranks let the later writer win. Unknown
// origins rank lowest.
func (o Origin) Rank() int {
	order := [...]Origin{OriginSimulated, OriginImport, OriginCloud, OriginSSH, OriginScrape, OriginAgent}
	return slices.Index(order[:], o) + 1
}

// Capacity is a host's size. Zero is unknown: no host has no CPU or no memory.
type Capacity struct {
	VCPUs       float64 `json:"vcpus,omitzero"`
	MemoryBytes int64   `json:"memory_bytes,omitzero"`
}

// Disk is a block device of a host.
type Disk struct {
	Type string  `json:"type"`
	GiB  float64 `json:"gib"`
}

// Tags are a host's tags, keys and values as entered.
type Tags map[string]string

// Record is what a host was in [From, To). A zero From is the beginning of
// time, a zero To is still.
type Record struct {
	Host         HostID         `json:"host"`
	Name         string         `json:"name,omitzero"`
	From         time.Time      `json:"from,omitzero"`
	To           time.Time      `json:"to,omitzero"`
	Provider     string         `json:"provider,omitzero"`
	Account      string         `json:"account,omitzero"`
	Region       string         `json:"region,omitzero"`
	Zone         string         `json:"zone,omitzero"`
	InstanceType string         `json:"instance_type,omitzero"`
	OS           string         `json:"os,omitzero"`
	Arch         string         `json:"arch,omitzero"`
	State        State          `json:"state,omitzero"`
	Purchase     PurchaseOption `json:"purchase,omitzero"`
	// Capacity is the nominal one: as the inventory states it, else as the
	// types table has it, else as the host's own metrics told; CapacityFrom says
	// which.
	Capacity Capacity `json:"capacity,omitzero"`
	// CapacityFrom is "inventory", "catalogue", "measured" or "" when nothing is
	// known.
	CapacityFrom string `json:"capacity_from,omitzero"`
	// Disks is nil when unknown and empty when there is none.
	Disks []Disk `json:"disks"`
	// Addresses is the number of public addresses; nil is unknown.
	Addresses *int `json:"public_addresses"`
	// OwnedBy is the scaling group or node pool that owns the host.
	OwnedBy string `json:"owned_by,omitzero"`
	Tags    Tags   `json:"tags,omitzero"`
	Origin  Origin `json:"origin,omitzero"`
	// Stated is the effective time at which an inventory stated State: evidence
	// that the host was in it then. Zero when nobody stated a state.
	Stated time.Time `json:"stated,omitzero"`
	// Inferred says that State is a conclusion: no inventory stated it.
	Inferred bool `json:"state_inferred,omitzero"`
	// Seen runs from the start of the host's first sample to the end of its
	// last one, over all its records. A Source fills it; it is empty for a host
	// without samples and ignored when a record is written.
	Seen Window `json:"seen,omitzero"`
}

// Window is the record's validity; a zero bound is open.
func (r *Record) Window() Window { return Window{r.From, r.To} }

// ValidAt says whether the record holds at t.
func (r *Record) ValidAt(t time.Time) bool {
	return (r.From.IsZero() || !t.Before(r.From)) && (r.To.IsZero() || t.Before(r.To))
}

// Clone returns a copy that shares nothing with r.
func (r Record) Clone() Record {
	r.Disks = slices.Clone(r.Disks)
	r.Tags = maps.Clone(r.Tags)
	if r.Addresses != nil {
		n := *r.Addresses
		r.Addresses = &n
	}
	return r
}

// SimulatedTag is the tag that hosts of synthetic fleets have, with the value
// "true".
const SimulatedTag = "simulated"

// Simulated says whether the host is of a synthetic fleet.
func (r *Record) Simulated() bool {
	return r.Origin == OriginSimulated || r.Tags[SimulatedTag] == "true"
}

// AnySimulated says whether any of the records is of a synthetic fleet.
func AnySimulated(records []Record) bool {
	for i := range records {
		if records[i].Simulated() {
			return true
		}
	}
	return false
}

// BuiltinKeys are the names by which selectors and groups reach a record's own
// fields. A tag of the same name is reached as "tag:NAME".
func BuiltinKeys() []string {
	return []string{"host", "name", "provider", "account", "region", "zone", "instance_type", "os", "arch", "state", "purchase", "owned_by"}
}

// Field returns a record's field or tag by name: a built-in key, else a tag;
// "tag:NAME" is always the tag. It is false when the value is unknown.
func (r *Record) Field(key string) (string, bool) {
	var v string
	switch key {
	case "host":
		v = string(r.Host)
	case "name":
		v = r.DisplayName()
	case "provider":
		v = r.Provider
	case "account":
		v = r.Account
	case "region":
		v = r.Region
	case "zone":
		v = r.Zone
	case "instance_type":
		v = r.InstanceType
	case "os":
		v = r.OS
	case "arch":
		v = r.Arch
	case "state":
		v = string(r.State)
	case "purchase":
		v = string(r.Purchase)
	case "owned_by":
		v = r.OwnedBy
	default:
		v, ok := r.Tags[strings.TrimPrefix(key, "tag:")]
		return v, ok
	}
	return v, v != ""
}

// DisplayName is the host's name, else its id.
func (r *Record) DisplayName() string {
	if r.Name != "" {
		return r.Name
	}
	return string(r.Host)
}
