package cloudcli

import (
	"cmp"
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
		Source             string
		Boot               bool
		DiskSizeGb         size
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
	// Fingerprint is in whatever was not cut down to some fields.
	Fingerprint string
}

// number is a whole number as JSON writes 64 bits: in a text, or bare.
type number struct{ text, wrong string }

// UnmarshalJSON reads a number.
func (n *number) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	if text == "null" || text == "" {
		return nil
	}
	if _, err := strconv.ParseUint(text, 10, 64); err != nil {
		n.wrong = fmt.Sprintf("%.40s is no whole number", data)
		return nil
	}
	n.text = text
	return nil
}

func (p *parser) gcp(raw json.RawMessage) (*machine, error) {
	var x gcpInstance
	if err := json.Unmarshal(raw, &x); err != nil {
		return &machine{Record: fleet.Record{Host: fleet.HostID(x.Name)}}, err
	}
	m := &machine{Record: fleet.Record{
		Host: fleet.HostID(x.ID.text), Name: x.Name, Provider: "gcp", Account: between(cmp.Or(x.SelfLink, x.Zone, x.MachineType), "projects"),
		Zone: last(x.Zone), InstanceType: last(x.MachineType), Tags: tags(x.Labels),
	}, created: x.CreationTimestamp.Time, tagsTold: x.Labels != nil || x.Fingerprint != ""}
	m.key(fleet.AliasInstance, x.ID.text)
	if path := x.resource(); between(path, "instances") == x.Name {
		m.key(fleet.AliasResource, path)
	}
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
	if err := x.readDisks(m); err != nil {
		return m, err
	}
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
	return m, x.wrong()
}

// wrong is what is wrong with the numbers and times.
func (x *gcpInstance) wrong() error {
	return cmp.Or(wrong("id", x.ID.wrong), wrong("creationTimestamp", x.CreationTimestamp.wrong), wrong("lastStartTimestamp", x.LastStartTimestamp.wrong),
		wrong("lastStopTimestamp", x.LastStopTimestamp.wrong), wrong("lastSuspendedTimestamp", x.LastSuspendedTimestamp.wrong))
}

// resource is the path of names of the instance: that of its own URL, or where an
// output is cut down to some fields, below that of its zone.
func (x *gcpInstance) resource() string {
	if zone := resource(x.Zone); x.SelfLink == "" && zone != "" && x.Name != "" {
		return zone + "/instances/" + x.Name
	}
	return resource(x.SelfLink)
}

// resource is a URL of Compute Engine without the server and version: the path of
// names, which comes again with the next instance of the name.
func resource(url string) string {
	if i := strings.Index(url, "projects/"); i >= 0 {
		return url[i:]
	}
	return ""
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
func (x *gcpInstance) readDisks(m *machine) error {
	if x.Disks != nil {
		m.attached = []attached{}
	}
	for i, d := range x.Disks {
		if d.Boot {
			m.Arch = gcpArch(d.Architecture)
			windows := false
			for _, f := range d.GuestOSFeatures {
				windows = windows || f.Type == "WINDOWS"
			}
			m.OS = gcpOS(d.Licenses, windows)
		}
		if err := wrong(fmt.Sprintf("disks[%d].diskSizeGb", i), d.DiskSizeGb.wrong); err != nil {
			return err
		}
		a := attached{volume: resource(d.Source)}
		if d.DiskSizeGb.known {
			kind := anyPersistent
			if d.Type == "SCRATCH" {
				kind = "local-ssd"
			}
			a.told = &fleet.Disk{Type: kind, GiB: d.DiskSizeGb.gib}
		}
		m.attached = append(m.attached, a)
	}
	return nil
}

// anyPersistent is a disk of whatever type that is not local.
const anyPersistent = "persistent"

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
