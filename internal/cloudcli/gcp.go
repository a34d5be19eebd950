package cloudcli

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// gcpInstance is an instance as gcloud compute instances list prints it.
type gcpInstance struct {
	ID                     number `json:"id"`
	Name                   string
	SelfLink               string
	MachineType, Zone      string // URLs, or the last part of them
	Status                 string
	CreationTimestamp      stamp
	LastStartTimestamp     stamp
	LastStopTimestamp      stamp
	LastSuspendedTimestamp stamp
	Labels                 map[string]string
	Scheduling             struct {
		ProvisioningModel string
		Preemptible       bool
	}
	Disks []struct {
		Type, Architecture string
		Boot               bool
		DiskSizeGb         *number
		Licenses           []string
		GuestOSFeatures    []struct{ Type string } `json:"guestOsFeatures"`
	}
	NetworkInterfaces []struct {
		AccessConfigs     []struct{ NatIP string }
		IPv6AccessConfigs []struct{ ExternalIPv6 string }
	}
	Metadata struct {
		Items []struct{ Key, Value string }
	}
}

// number is a whole number as JSON writes 64 bits: in a text, or bare.
type number string

// UnmarshalJSON reads a number.
func (n *number) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	if text == "null" || text == "" {
		return nil
	}
	if _, err := strconv.ParseUint(text, 10, 64); err != nil {
		return fmt.Errorf("%s is no whole number", data)
	}
	*n = number(text)
	return nil
}

func (p *parser) gcp(raw json.RawMessage) (*machine, error) {
	var x gcpInstance
	if err := json.Unmarshal(raw, &x); err != nil {
		return &machine{Record: fleet.Record{Host: fleet.HostID(x.Name)}}, err
	}
	m := &machine{Record: fleet.Record{
		Host: fleet.HostID(x.ID), Name: x.Name, Provider: "gcp", Account: between(x.SelfLink, "projects"),
		Zone: last(x.Zone), InstanceType: last(x.MachineType), Tags: tags(x.Labels),
	}, created: x.CreationTimestamp.Time}
	m.key(fleet.AliasInstance, string(x.ID))
	if i := strings.LastIndexByte(m.Zone, '-'); i > 0 {
		m.Region = m.Zone[:i]
	}
	switch s := x.Scheduling; {
	case s.Preemptible || s.ProvisioningModel == "SPOT":
		m.Purchase = fleet.PurchaseSpot
	case s.ProvisioningModel == "STANDARD":
		m.Purchase = fleet.PurchaseOnDemand
	case s.ProvisioningModel == "RESERVATION_BOUND":
		m.Purchase = fleet.PurchaseReserved
	case s.ProvisioningModel == "" && m.InstanceType != "":
		m.Purchase = fleet.PurchaseOnDemand
	}
	for _, item := range x.Metadata.Items {
		if item.Key == "created-by" && strings.Contains(item.Value, "/instanceGroupManagers/") {
			m.OwnedBy = last(item.Value)
		}
	}
	x.readDisks(m)
	n := 0
	for _, i := range x.NetworkInterfaces {
		for _, a := range i.AccessConfigs {
			n += count(a.NatIP)
		}
		for _, a := range i.IPv6AccessConfigs {
			n += count(a.ExternalIPv6)
		}
	}
	if x.NetworkInterfaces != nil {
		m.Addresses = &n
	}
	p.gcpState(m, &x)
	return m, nil
}

func count(address string) int {
	if address == "" {
		return 0
	}
	return 1
}

// gcpState: TERMINATED is what GCP calls a stopped machine; a deleted one is
// not listed.
func (p *parser) gcpState(m *machine, x *gcpInstance) {
	started, stopped := x.LastStartTimestamp.Time, x.LastStopTimestamp.Time
	if started.IsZero() {
		started = x.CreationTimestamp.Time
	}
	switch x.Status {
	case "PROVISIONING", "STAGING", "RUNNING":
		m.is(fleet.StateRunning, started, fleet.StateStopped, stopped)
	case "STOPPING", "TERMINATED", "STOPPED":
		m.is(fleet.StateStopped, after(stopped, started), fleet.StateRunning, started)
	case "SUSPENDING", "SUSPENDED":
		m.is(fleet.StateStopped, after(x.LastSuspendedTimestamp.Time, started), fleet.StateRunning, started)
	case "":
		p.counts.noPower++
	default:
		p.unknownState(x.Status)
	}
}

// after is a time, or zero when it is not after another one: that of a stop
// before the last start.
func after(t, other time.Time) time.Time {
	if !t.After(other) {
		return time.Time{}
	}
	return t
}

// readDisks: the list tells sizes, and whether a disk is local; the type
// stands in the disk itself.
func (x *gcpInstance) readDisks(m *machine) {
	known := x.Disks != nil
	for _, d := range x.Disks {
		if d.Boot {
			m.Arch = gcpArch(d.Architecture)
			windows := false
			for _, f := range d.GuestOSFeatures {
				windows = windows || f.Type == "WINDOWS"
			}
			m.OS = gcpOS(d.Licenses, windows)
		}
		if d.DiskSizeGb == nil || *d.DiskSizeGb == "" {
			known = false
			continue
		}
		size, _ := strconv.ParseUint(string(*d.DiskSizeGb), 10, 64) // checked when it was read
		kind := "persistent"
		if d.Type == "SCRATCH" {
			kind = "local-ssd"
		}
		m.Disks = append(m.Disks, fleet.Disk{Type: kind, GiB: float64(size)})
	}
	switch {
	case !known:
		m.Disks = nil
	case m.Disks == nil:
		m.Disks = []fleet.Disk{}
	}
}

func gcpArch(s string) string {
	switch s {
	case "X86_64":
		return "x86_64"
	case "ARM64":
		return "arm64"
	}
	return ""
}

// gcpOS tells the operating system from the licenses of the boot disk.
func gcpOS(licenses []string, windows bool) string {
	if windows {
		return "windows"
	}
	for _, l := range licenses {
		project := between(l, "projects")
		switch {
		case strings.HasPrefix(project, "windows"):
			return "windows"
		case strings.HasPrefix(project, "rhel") && !strings.Contains(last(l), "byos"):
			return "rhel"
		case strings.HasPrefix(project, "suse") && !strings.Contains(last(l), "byos"):
			return "suse"
		}
	}
	if len(licenses) > 0 {
		return "linux"
	}
	return ""
}
