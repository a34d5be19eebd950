package cloudcli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// azureMachine is a virtual machine as az vm list -d prints it.
type azureMachine struct {
	ID, Name, Location string
	VMID               string `json:"vmId"`
	HardwareProfile    struct {
		VMSize string `json:"vmSize"`
	}
	StorageProfile struct {
		ImageReference struct{ Publisher string }
		OSDisk         *azureDisk  `json:"osDisk"`
		DataDisks      []azureDisk `json:"dataDisks"`
	}
	LicenseType            string
	PowerState             *string
	PublicIPs              *string `json:"publicIps"`
	Priority               string
	TimeCreated            stamp
	Zones                  []string
	Tags                   map[string]string
	ProvisioningState      string // is in whatever was not cut down by a --query
	VirtualMachineScaleSet struct{ ID string }
}

type azureDisk struct {
	OSType      string `json:"osType"`
	DiskSizeGB  size   `json:"diskSizeGb"` // also diskSizeGB; unknown while deallocated
	ManagedDisk struct{ ID, StorageAccountType string }
}

// azure reads a machine. Its key is the vmId, which is new for each machine
// made; a resource id comes again with the next machine of that name. Machines
// without a vmId, of outputs cut down to some fields, go by the resource id.
func (p *parser) azure(raw json.RawMessage) (*machine, error) {
	var x azureMachine
	if err := json.Unmarshal(raw, &x); err != nil {
		return &machine{Record: fleet.Record{Host: fleet.HostID(x.Name)}}, err
	}
	m := &machine{Record: fleet.Record{
		Host: fleet.HostID(strings.ToLower(x.VMID)), Name: x.Name, Provider: "azure", Account: strings.ToLower(between(x.ID, "subscriptions")),
		Region: strings.ToLower(strings.ReplaceAll(x.Location, " ", "")), InstanceType: x.HardwareProfile.VMSize, OS: x.os(),
		OwnedBy: last(x.VirtualMachineScaleSet.ID), Tags: tags(x.Tags),
	}, created: x.TimeCreated.Time, group: strings.ToLower(between(x.ID, "resourceGroups")), tagsTold: x.ProvisioningState != "" || x.Tags != nil}
	m.key(fleet.AliasInstance, string(m.Host))
	m.key(fleet.AliasResource, strings.ToLower(x.ID))
	if m.Host == "" {
		m.Host = fleet.HostID(strings.ToLower(x.ID))
	}
	if len(x.Zones) > 0 && m.Region != "" {
		m.Zone = m.Region + "-" + x.Zones[0]
	}
	switch strings.ToLower(x.Priority) {
	case "spot", "low":
		m.Purchase = fleet.PurchaseSpot
	case "", "regular":
		if m.InstanceType != "" {
			m.Purchase = fleet.PurchaseOnDemand
		}
	}
	if x.PublicIPs != nil {
		n := 0
		for a := range strings.SplitSeq(*x.PublicIPs, ",") {
			if strings.TrimSpace(a) != "" {
				n++
			}
		}
		m.Addresses = &n
	}
	p.azureState(m, x.PowerState)
	if err := wrong("timeCreated", x.TimeCreated.wrong); err != nil {
		return m, err
	}
	var err error
	m.attached, err = x.disks()
	return m, err
}

// azureState: the tool tells no time. A machine that was stopped from inside
// keeps its hardware, and is billed on.
func (p *parser) azureState(m *machine, power *string) {
	if power == nil || *power == "" {
		p.counts.noPower++
		return
	}
	switch s := strings.ToLower(strings.TrimPrefix(*power, "VM ")); s {
	case "running", "starting":
		m.is(fleet.StateRunning, time.Time{}, "", time.Time{})
	case "stopped", "stopping":
		p.counts.allocated++
		m.is(fleet.StateRunning, time.Time{}, "", time.Time{})
	case "deallocated", "deallocating":
		m.is(fleet.StateStopped, time.Time{}, "", time.Time{})
	default:
		p.unknownState(*power)
	}
}

func (x *azureMachine) os() string {
	if x.StorageProfile.OSDisk == nil {
		return ""
	}
	switch strings.ToLower(x.StorageProfile.OSDisk.OSType) {
	case "windows":
		return "windows"
	case "linux":
		publisher := strings.ToLower(x.StorageProfile.ImageReference.Publisher)
		byos := strings.HasSuffix(strings.ToUpper(x.LicenseType), "_BYOS") // brought along, so not paid with the machine
		switch {
		case publisher == "redhat" && !byos:
			return "rhel"
		case publisher == "suse" && !byos:
			return "suse"
		}
		return "linux"
	}
	return x.StorageProfile.OSDisk.OSType
}

// disks are unknown where the output tells of none.
func (x *azureMachine) disks() ([]attached, error) {
	if x.StorageProfile.OSDisk == nil {
		return nil, nil
	}
	var out []attached
	for i, d := range append([]azureDisk{*x.StorageProfile.OSDisk}, x.StorageProfile.DataDisks...) {
		field := "storageProfile.osDisk.diskSizeGb"
		if i > 0 {
			field = fmt.Sprintf("storageProfile.dataDisks[%d].diskSizeGb", i-1)
		}
		if err := wrong(field, d.DiskSizeGB.wrong); err != nil {
			return nil, err
		}
		a := attached{volume: strings.ToLower(d.ManagedDisk.ID)}
		if d.DiskSizeGB.known {
			a.told = &fleet.Disk{Type: cmp.Or(d.ManagedDisk.StorageAccountType, "managed"), GiB: d.DiskSizeGB.gib}
		}
		out = append(out, a)
	}
	return out, nil
}
