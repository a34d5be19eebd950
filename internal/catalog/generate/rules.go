package main

import (
	"regexp"
	"strings"

	"github.com/leanfleet/leanfleet/internal/catalog"
)

// The rules that fill what the source leaves open. Each text goes into the
// catalogue as the basis of what it decided; docs/catalog.md lists them. A
// rule says nothing where its source says nothing.
const (
	basisList    = "type list"
	basisNoRule  = "not in the type list, and no naming rule tells"
	basisStorage = "storage family: local disks are its purpose, size not in the type list"
	basisAWSYes  = "EC2 naming convention: d stands for instance store volumes, size not in the type list"
	basisAWSNo   = "EC2 naming convention: no d for instance store volumes in the name"
	basisEBSOnly = "EC2 instance type pages: family is EBS-only"
	basisAzure   = "Azure size naming convention: d stands for a local disk, size not in the type list"
)

// ebsOnly are the AWS families from before the naming convention whose page
// says EBS-only. Their contemporaries m1, m2, m3, c1, c3, r3 and x1 have
// instance store that the source does not state: they stay unknown.
var ebsOnly = map[string]bool{"t1": true, "t2": true, "m4": true, "c4": true, "r4": true}

// awsFamily splits an AWS family into line, generation and attributes, such as
// m, 6, idn. Names of other shapes (u-6tb1, mac2-m2, p6-b200) say nothing.
var awsFamily = regexp.MustCompile(`^([a-z]+)(\d+)([a-z]*)(-flex)?$`)

// azureSize finds the feature letters of an Azure size, such as ads in
// Standard_E8-2ads_v5.
var azureSize = regexp.MustCompile(`^(?:Standard|Basic)_[A-Z]+\d+(?:-\d+)?([a-z]*)`)

// localDisk tells what is known of the local disk of a type: the amount of the
// list, zero there meaning none, else what the name or the family tells.
func localDisk(t catalog.InstanceType, family catalog.Family, listed catalog.Known[float64]) catalog.LocalDisk {
	if listed.OK {
		if listed.Value == 0 {
			return catalog.LocalDisk{State: catalog.DiskNone, Basis: basisList}
		}
		return catalog.LocalDisk{State: catalog.DiskSized, GiB: listed.Value, Basis: basisList}
	}
	switch t.Provider {
	case catalog.AWS:
		return awsDisk(family)
	case catalog.Azure:
		// Without the d Azure sizes of the older series have a temporary disk
		// all the same (D2s_v3), so its absence tells nothing.
		if m := azureSize.FindStringSubmatch(t.Name); m != nil && strings.Contains(m[1], "d") {
			return catalog.LocalDisk{State: catalog.DiskPresent, Basis: basisAzure}
		}
	}
	return catalog.LocalDisk{State: catalog.DiskUnknown, Basis: basisNoRule}
}

// awsDisk applies the rules for an AWS type whose amount is not listed. The
// naming convention is complete for the current families of these purposes
// only: accelerator families have instance store without a d (p5, trn1, dl1).
func awsDisk(family catalog.Family) catalog.LocalDisk {
	if family.Purpose == catalog.PurposeStorage {
		return catalog.LocalDisk{State: catalog.DiskPresent, Basis: basisStorage}
	}
	if ebsOnly[family.Name] {
		return catalog.LocalDisk{State: catalog.DiskNone, Basis: basisEBSOnly}
	}
	if m := awsFamily.FindStringSubmatch(family.Name); m != nil && family.Status == catalog.StatusCurrent {
		if strings.Contains(m[3], "d") {
			return catalog.LocalDisk{State: catalog.DiskPresent, Basis: basisAWSYes}
		}
		switch family.Purpose {
		case catalog.PurposeGeneral, catalog.PurposeCompute, catalog.PurposeMemory, catalog.PurposeHPC:
			return catalog.LocalDisk{State: catalog.DiskNone, Basis: basisAWSNo}
		}
	}
	return catalog.LocalDisk{State: catalog.DiskUnknown, Basis: basisNoRule}
}

// networkKind tells what the network column means: GCP publishes the maximum
// egress.
func networkKind(provider string) catalog.NetworkKind {
	if provider == catalog.GCP {
		return catalog.NetworkMaximum
	}
	return catalog.NetworkBaseline
}

// billedVCPUs returns what a GCP shared-core size of the e2 series is priced
// as. A test proves it from the prices: fraction x vCPU price + memory x GiB
// price is the list price. The series f1 and g1 have no components to prove it
// by and stay unknown.
func billedVCPUs(provider, typ string) catalog.Known[float64] {
	if provider == catalog.GCP {
		switch typ {
		case "e2-micro":
			return catalog.KnownAs(0.25)
		case "e2-small":
			return catalog.KnownAs(0.5)
		case "e2-medium":
			return catalog.KnownAs(1.0)
		}
	}
	return catalog.Known[float64]{}
}
