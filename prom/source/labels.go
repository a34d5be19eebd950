package source

import (
	"maps"
	"slices"
	"strings"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/prom/internal/names"
)

// FieldLabels are the labels that a record's fields are read from, the first
// that a series has: what discovery of EC2, Azure and GCE is usually relabelled
// to, Kubernetes' well-known labels, and the resource attributes of
// OpenTelemetry.
func FieldLabels() map[string][]string {
	return map[string][]string{
		"provider":      {"provider", "cloud_provider", "cloud"},
		"account":       {"account", "account_id", "cloud_account_id", "owner_id", "subscription_id", "project", "project_id"},
		"region":        {"region", "cloud_region", "aws_region", "location", "topology_kubernetes_io_region"},
		"zone":          {"zone", "availability_zone", "az", "cloud_availability_zone", "topology_kubernetes_io_zone"},
		"instance_type": {"instance_type", "instancetype", "machine_type", "machine_size", "vm_size", "host_type", "node_kubernetes_io_instance_type"},
		"os":            {"os", "os_type", "kubernetes_io_os"},
		"arch":          {"arch", "architecture", "host_arch", "kubernetes_io_arch"},
		"purchase":      {"purchase", "purchase_option", "lifecycle", "instance_lifecycle"},
		"state":         {"state", "instance_state"},
		"owned_by":      {"owned_by", "scaling_group", "asg", "nodepool", "node_pool", "scale_set"},
		"name":          {"name", "hostname", "host_name", "machine_name", "instance_name"},
	}
}

func fieldNames() []string { return slices.Sorted(maps.Keys(FieldLabels())) }

func isField(name string) bool {
	_, ok := FieldLabels()[name]
	return ok
}

// noise are labels that say how a host was measured, not what it is.
func noise() []string {
	return []string{"__name__", "job", "service", "endpoint", "container", "pod", "namespace", "uid", "prometheus", "prometheus_replica", "replica", "__replica__",
		"monitor", "receive", "tenant_id", "le", "quantile", "cpu", "mode", "device", "le", "domainname", "release", "version", "exported_job", "exported_instance",
		"telemetry_sdk_name", "telemetry_sdk_language", "telemetry_sdk_version", "service_instance_id", "service_name", "service_namespace", "service_version",
		"system_memory_state", names.StepLabel, names.GroupLabel}
}

// replicaLabels are those by which HA pairs are told apart where nobody says.
func replicaLabels() []string { return []string{"prometheus_replica", "replica", "__replica__"} }

// mapping says what labels mean.
type mapping struct {
	fields map[string]string // label to field
	order  map[string]int    // label to its rank within the field: lower wins
	drop   map[string]bool
}

func newMapping(o *Options, host string) mapping {
	m := mapping{fields: map[string]string{}, order: map[string]int{}, drop: map[string]bool{host: true}}
	for _, l := range slices.Concat(noise(), o.DropLabels, o.DedupLabels) {
		m.drop[l] = true
	}
	for field, labels := range FieldLabels() {
		if field == "state" { // a label is no statement of a time: the samples are the evidence
			for _, l := range append(labels, o.Fields[field]) {
				m.drop[l] = true
			}
			continue
		}
		if own, ok := o.Fields[field]; ok {
			if own == "" {
				continue
			}
			labels = []string{own}
		}
		for i, l := range labels {
			if l == host {
				continue
			}
			m.fields[l], m.order[l] = field, i
			delete(m.drop, l)
		}
	}
	return m
}

// carries says whether a label says something of a host.
func (m *mapping) carries(label string) bool { return !m.drop[label] }

// read fills a record from labels.
func (m *mapping) read(r *fleet.Record, labels map[string]string) {
	rank := map[string]int{}
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		v := labels[label]
		if v == "" || m.drop[label] {
			continue
		}
		field, ok := m.fields[label]
		if !ok {
			if r.Tags == nil {
				r.Tags = fleet.Tags{}
			}
			r.Tags[strings.TrimPrefix(label, "tag_")] = v
			continue
		}
		if have, ok := rank[field]; ok && have <= m.order[label] {
			continue
		}
		if setField(r, field, v) {
			rank[field] = m.order[label]
		}
	}
}

// setField puts a label's value into a record; false where it makes no sense.
func setField(r *fleet.Record, field, v string) bool {
	switch field {
	case "provider":
		r.Provider = provider(v)
	case "account":
		r.Account = v
	case "region":
		r.Region = lastPart(v)
	case "zone":
		r.Zone = lastPart(v)
	case "instance_type":
		r.InstanceType = lastPart(v)
	case "os":
		r.OS = strings.ToLower(v)
	case "arch":
		r.Arch = arch(v)
	case "name":
		r.Name = v
	case "owned_by":
		r.OwnedBy = v
	case "purchase":
		if v == "scheduled" {
			v = "on_demand"
		}
		p, err := fleet.ParsePurchaseOption(v)
		if err != nil {
			return false
		}
		r.Purchase = p
	}
	return true
}

// lastPart is the last part of an address such as
// https://.../zones/europe-west1-b/machineTypes/n2-standard-2.
func lastPart(v string) string { return v[strings.LastIndexByte(v, '/')+1:] }

func provider(v string) string {
	switch v = strings.ToLower(v); v {
	case "ec2", "amazon", "amazon ec2", "aws_ec2":
		return "aws"
	case "gce", "google", "gcp_compute_engine":
		return "gcp"
	case "microsoft", "azure_vm", "azure.vm":
		return "azure"
	}
	return v
}

func arch(v string) string {
	switch v = strings.ToLower(v); v {
	case "x86_64", "amd64", "x64":
		return "x86_64"
	case "aarch64", "arm64":
		return "arm64"
	}
	return v
}

// readInfo fills a record from a series that describes a host.
func (m *mapping) readInfo(r *fleet.Record, labels map[string]string) {
	switch labels["__name__"] {
	case "node_uname_info":
		r.OS, r.Arch = strings.ToLower(labels["sysname"]), arch(labels["machine"])
	case "node_dmi_info":
		readBoard(r, labels["system_vendor"], labels["product_name"])
	case "windows_os_info", "windows_os_hostname", "windows_cs_hostname":
		r.OS = "windows"
	case "windows_os_smbios_info":
		readBoard(r, labels["vendor"], labels["name"])
	default: // target_info, leanfleet_host_info: every label tells
		m.read(r, labels)
	}
}

// readBoard reads who made a machine, and what it calls it.
func readBoard(r *fleet.Record, vendor, product string) {
	vendor = strings.ToLower(vendor)
	switch {
	case strings.HasPrefix(vendor, "amazon"):
		r.Provider = "aws"
		// Hosts on Nitro show their type as the product; older ones "HVM domU".
		if strings.Contains(product, ".") && !strings.Contains(product, " ") {
			r.InstanceType = product
		}
	case strings.HasPrefix(vendor, "google"):
		r.Provider = "gcp"
	case strings.HasPrefix(vendor, "microsoft"):
		r.Provider = "azure"
	}
}

// nodeName is the label in which a series that describes hosts has the node's
// own name, and the name; "" where it has none.
func nodeName(labels map[string]string) (label, name string) {
	for _, l := range []string{"nodename", "fqdn", "hostname"} {
		if labels[l] != "" {
			return l, labels[l]
		}
	}
	return "", ""
}
