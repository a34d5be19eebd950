package local

import (
	"context"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/host"

	"github.com/leanfleet/leanfleet/fleet"
)

// identity is who a machine is, as far as it can tell without asking anybody.
type identity struct {
	provider  string // aws, azure, gcp or ""
	instance  string // the cloud's id of the instance, or ""
	machineID string
	name      string
	os, arch  string
}

// ContainerTag is the tag of hosts whose measures are those of a container with
// limits, with the value "true".
const ContainerTag = "container_limited"

func identify(t *tree) identity {
	id := identity{machineID: firstLine(t.path("etc", "machine-id")), os: "linux"}
	if id.machineID == "uninitialized" {
		id.machineID = ""
	}
	id.name = firstLine(t.path("proc", "sys", "kernel", "hostname"))
	if id.name == "" || id.name == "(none)" {
		id.name = firstLine(t.path("etc", "hostname"))
	}
	if id.name == "" && t.root == "" {
		id.name, _ = os.Hostname() // "" where it has none
	}
	id.arch = architecture(firstLine(t.path("proc", "sys", "kernel", "arch")))
	if id.arch == "" && t.root == "" {
		id.arch = architecture(runtime.GOARCH)
	}
	dmi := func(name string) string { return firstLine(t.path("sys", "class", "dmi", "id", name)) }
	id.cloud(dmi, exists(t.path("sys", "firmware", "efi")))
	return id
}

var (
	ec2Instance = regexp.MustCompile(`^i-[0-9a-f]{8,17}$`)
	guid        = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// cloud reads what firmware tells. First-generation machines of Azure, those
// without UEFI, swap bytes of their id in ways that depend on the kernel, so
// that it is left out.
func (id *identity) cloud(dmi func(string) string, uefi bool) {
	const azureTag = "7783-7084-3265-9085-8269-3286-77" // the chassis of every machine of Azure
	switch {
	case dmi("sys_vendor") == "Amazon EC2" || strings.HasSuffix(dmi("bios_version"), ".amazon"):
		id.provider = "aws"
		if tag := dmi("board_asset_tag"); ec2Instance.MatchString(tag) {
			id.instance = tag
		}
	case dmi("chassis_asset_tag") == azureTag:
		id.provider = "azure"
		if uuid := strings.ToLower(dmi("product_uuid")); uefi && guid.MatchString(uuid) {
			id.instance = uuid
		}
	case dmi("product_name") == "Google Compute Engine":
		id.provider = "gcp"
	}
}

// architecture is an architecture in the words of inventories.
func architecture(s string) string {
	switch s {
	case "x86_64", "amd64":
		return "x86_64"
	case "aarch64", "arm64":
		return "arm64"
	}
	return s
}

func identifyPortable() identity {
	id := identity{os: runtime.GOOS, arch: architecture(runtime.GOARCH)}
	id.name, _ = os.Hostname() // "" where it has none
	if uuid, err := host.HostID(); err == nil {
		id.machineID = strings.ToLower(uuid)
	}
	return id
}

// host is the key that the machine goes by.
func (id identity) host() fleet.HostID {
	switch {
	case id.instance != "":
		return fleet.HostID(id.instance)
	case id.provider == "" && id.machineID != "":
		return fleet.HostID(id.machineID)
	case id.name != "":
		return fleet.HostID(id.name)
	}
	return fleet.HostID(id.machineID)
}

// Statements says what the machine knows of itself: name, cloud, operating
// system, architecture, and whether its measures are those of a container. It
// states no state: that a machine measures itself is no proof that it will be
// there tomorrow.
func (c *Collector) Statements(ctx context.Context) ([]fleet.Statement, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := fleet.Record{Host: c.host, Name: c.self.name, Provider: c.self.provider, OS: c.self.os, Arch: c.self.arch, Origin: fleet.OriginAgent}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil && c.last.limit.any() {
		r.Tags = fleet.Tags{ContainerTag: "true"}
	}
	return []fleet.Statement{{Record: r, Aliases: c.Aliases()}}, nil
}

// Aliases are the keys that the machine knows of itself: its instance id, machine
// id and host name, one of which may be its id.
func (c *Collector) Aliases() []fleet.Alias {
	var out []fleet.Alias
	for _, a := range []fleet.Alias{{Kind: fleet.AliasInstance, Key: c.self.instance}, {Kind: fleet.AliasMachine, Key: c.self.machineID}, {Kind: fleet.AliasHostName, Key: c.self.name}} {
		if a.Key != "" {
			out = append(out, a)
		}
	}
	return out
}

// Boot is when the machine booted, as the last reading tells; false when that is
// not known.
func (c *Collector) Boot() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil || !c.last.uptime.ok {
		return time.Time{}, false
	}
	return c.last.wall.Round(0).Add(-time.Duration(c.last.uptime.v * float64(time.Second))), true
}
