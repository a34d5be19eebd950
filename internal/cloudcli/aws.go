package cloudcli

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// awsInstance is an instance as aws ec2 describe-instances prints it.
type awsInstance struct {
	InstanceID            string `json:"InstanceId"`
	InstanceType          string
	InstanceLifecycle     string
	Architecture          string
	PlatformDetails       string
	Platform              string
	LaunchTime            stamp
	State                 struct{ Name string }
	StateTransitionReason string
	PublicIPAddress       string `json:"PublicIpAddress"`
	Placement             struct{ AvailabilityZone string }
	BlockDeviceMappings   []struct {
		Ebs struct {
			VolumeID string `json:"VolumeId"`
		}
	}
	Tags json.RawMessage
	// AmiLaunchIndex is in whatever was not cut down by a --query.
	AmiLaunchIndex    *json.RawMessage
	NetworkInterfaces []struct {
		OwnerID            string `json:"OwnerId"`
		PrivateIPAddresses []struct {
			Association *struct {
				PublicIP string `json:"PublicIp"`
			}
		} `json:"PrivateIpAddresses"`
	}
}

// awsGroups are tags whose value is the scaling group or node pool, the first
// one counts.
var awsGroups = []string{"aws:autoscaling:groupName", "karpenter.sh/nodepool", "eks:nodegroup-name"}

func (p *parser) aws(raw json.RawMessage, o owner) (*machine, error) {
	var x awsInstance
	if err := json.Unmarshal(raw, &x); err != nil {
		return &machine{Record: fleet.Record{Host: fleet.HostID(x.InstanceID)}}, err
	}
	m := &machine{Record: fleet.Record{
		Host: fleet.HostID(x.InstanceID), Provider: "aws", Account: o.account, InstanceType: x.InstanceType,
		Zone: x.Placement.AvailabilityZone, Region: awsRegion(x.Placement.AvailabilityZone),
		Arch: x.Architecture, OS: awsOS(x.PlatformDetails, x.Platform),
	}}
	m.key(fleet.AliasInstance, x.InstanceID)
	if m.Account == "" && len(x.NetworkInterfaces) > 0 {
		m.Account = x.NetworkInterfaces[0].OwnerID
	}
	switch x.InstanceLifecycle {
	case "spot":
		m.Purchase = fleet.PurchaseSpot
	case "":
		if x.InstanceType != "" { // else the output was cut down to some fields
			m.Purchase = fleet.PurchaseOnDemand
		}
	case "capacity-block":
		m.Purchase = fleet.PurchaseReserved
	}
	all := map[string]string{}
	var list []struct{ Key, Value string }
	if x.Tags != nil {
		if err := json.Unmarshal(x.Tags, &list); err != nil {
			return m, fmt.Errorf("%s: %w", "Tags", typed(err))
		}
	}
	m.tagsTold = x.Tags != nil || x.AmiLaunchIndex != nil
	for _, t := range list {
		if t.Key == "Name" {
			m.Name = t.Value
			continue
		}
		all[t.Key] = t.Value
	}
	m.Tags = tags(all)
	for _, key := range awsGroups {
		if m.OwnedBy == "" {
			m.OwnedBy = all[key]
		}
	}
	if err := p.awsState(m, &x); err != nil {
		return m, err
	}
	if m.states != nil && m.states[len(m.states)-1].state == fleet.StateTerminated {
		m.tagsTold = false // they go before the machine does
		return m, wrong("LaunchTime", x.LaunchTime.wrong)
	}
	m.Addresses = x.addresses()
	if x.BlockDeviceMappings != nil {
		m.attached = []attached{}
	}
	for _, b := range x.BlockDeviceMappings {
		m.attached = append(m.attached, attached{volume: b.Ebs.VolumeID})
	}
	return m, wrong("LaunchTime", x.LaunchTime.wrong)
}

// awsState: LaunchTime is that of the last start; the time of a stop stands in a
// text.
func (p *parser) awsState(m *machine, x *awsInstance) error {
	stopped, err := awsStopTime(x.StateTransitionReason)
	if err != nil {
		return err
	}
	switch x.State.Name {
	case "pending", "running":
		m.is(fleet.StateRunning, x.LaunchTime.Time, "", time.Time{})
	case "stopping", "stopped":
		m.is(fleet.StateStopped, stopped, fleet.StateRunning, x.LaunchTime.Time)
	case "shutting-down", "terminated":
		m.is(fleet.StateTerminated, stopped, fleet.StateRunning, x.LaunchTime.Time)
	case "":
		p.counts.noPower++
	default:
		p.unknownState(x.State.Name)
	}
	return nil
}

var awsReason = regexp.MustCompile(`\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) GMT\)`)

// awsStopTime finds the time in a reason such as "User initiated (2024-01-02
// 03:04:05 GMT)"; many reasons have none.
func awsStopTime(reason string) (time.Time, error) {
	found := awsReason.FindStringSubmatch(reason)
	if found == nil {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateTime, found[1])
	if err != nil || t.Year() < 1970 || t.Year() > 2260 {
		return time.Time{}, fmt.Errorf("StateTransitionReason: %q is no time", found[1])
	}
	return t, nil
}

var awsRegionOf = regexp.MustCompile(`^[a-z]+(?:-[a-z]+)+-\d+`)

// awsRegion is the region of a zone: us-east-1 of us-east-1a, us-west-2 of
// us-west-2-lax-1a.
func awsRegion(zone string) string { return awsRegionOf.FindString(zone) }

// awsOS is the platform, plain ones in the words of prices; others, such as
// "Windows with SQL Server Standard", as they are.
func awsOS(details, platform string) string {
	switch {
	case details == "Linux/UNIX":
		return "linux"
	case details == "Windows", details == "" && strings.EqualFold(platform, "windows"):
		return "windows"
	case details == "Red Hat Enterprise Linux":
		return "rhel"
	case details == "SUSE Linux":
		return "suse"
	}
	return details
}

// addresses counts public addresses; it is nil when the output tells none of
// networks.
func (x *awsInstance) addresses() *int {
	if x.NetworkInterfaces == nil && x.PublicIPAddress == "" {
		return nil
	}
	seen := map[string]bool{}
	if x.PublicIPAddress != "" {
		seen[x.PublicIPAddress] = true
	}
	for _, n := range x.NetworkInterfaces {
		for _, a := range n.PrivateIPAddresses {
			if a.Association != nil && a.Association.PublicIP != "" {
				seen[a.Association.PublicIP] = true
			}
		}
	}
	n := len(seen)
	return &n
}
