package gcp

import (
	"regexp"
	"strings"

	"github.com/leanfleet/leanfleet/pricing"
)

// part is what a SKU prices a unit of.
type part uint8

const (
	partCore     part = iota // a vCPU-hour of a series
	partRAM                  // a GiB-hour of a series
	partExtended             // a GiB-hour of extended memory of custom types
	partMachine              // an hour of a type
	partGPU                  // an hour of a GPU of a model
	partLocalSSD             // a GiB-month; of a series, or of all where it is empty
	partDisk                 // a GiB-month of a disk type
	partIdle                 // an hour of an address nobody uses
	partInUse                // an hour of an address in use
	partLicence              // an hour of a licence, of a vCPU or of a machine
)

// rateKey is what a SKU prices, under which purchase option.
type rateKey struct {
	part part
	// name is the series (n2, m4-ultramem-224), the machine type, the model or
	// the disk type.
	name     string
	custom   bool
	premium  bool    // of M2, on top of M1
	licence  licence // of partLicence, whose name is the operating system
	purchase pricing.Purchase
	years    int
}

// The reasons for which a SKU is left out.
const (
	skipUnknown   = "unknown description"
	skipTenancy   = "sole tenancy"
	skipReserved  = "reservation"
	skipUsage     = "other usage type"
	skipGPU       = "other accelerator"
	skipZero      = "zero price"
	skipUnit      = "unknown unit"
	skipNoPrice   = "no price information"
	skipFigure    = "not a figure"
	skipAmbiguous = "two prices"
	skipFacts     = "type: facts unknown"
	skipNoGPU     = "type: no price of its GPUs"
	skipNoRate    = "type: no rates of its series"
)

var (
	instanceWords   = regexp.MustCompile(`^(?:(.+) )?(core|ram)(?: running in .+| in .+)?$`)
	commitmentWords = regexp.MustCompile(`^commitment(?: v[0-9]+)?: (.+?) (?:running )?in .+ for ([13]) years?$`)
	commitmentPart  = regexp.MustCompile(`^(?:(.+) )?(cpu|core|ram)$`)
	seriesWord      = regexp.MustCompile(`^[a-z][0-9]{1,2}[a-z]{0,2}$`)
	seriesSSDWords  = regexp.MustCompile(`^([a-z][0-9]{1,2}[a-z]{0,2})(?: instance)? local ssd$`)
	gpuWords        = regexp.MustCompile(`^nvidia (.+) gpu$`)
	tailWords       = regexp.MustCompile(` (?:running in|in) .+$`)
)

// gpuModels are the GPUs of which it is known which types have them.
var gpuModels = map[string]string{"tesla a100": "a100", "tesla a100 80gb": "a100-80gb", "l4": "l4"}

// diskWords are the descriptions of disk capacity without their place.
var diskWords = map[string]string{
	"storage pd capacity":                           "pd-standard",
	"balanced pd capacity":                          "pd-balanced",
	"ssd backed pd capacity":                        "pd-ssd",
	"extreme pd capacity":                           "pd-extreme",
	"regional storage pd capacity":                  "regional-pd-standard",
	"regional balanced pd capacity":                 "regional-pd-balanced",
	"regional ssd backed pd capacity":               "regional-pd-ssd",
	"hyperdisk balanced capacity":                   "hyperdisk-balanced",
	"hyperdisk balanced high availability capacity": "hyperdisk-balanced-high-availability",
	"hyperdisk extreme capacity":                    "hyperdisk-extreme",
	"hyperdisk throughput capacity":                 "hyperdisk-throughput",
	"hyperdisk ml capacity":                         "hyperdisk-ml",
}

var machineWords = map[string]string{
	"micro instance with burstable cpu": "f1-micro",
	"small instance with 1 vcpu":        "g1-small",
}

// describe reads the description and usage type of a SKU. The reason is empty
// where it knows the SKU; a description with a word it does not know is not
// known.
func describe(description, usageType string) (k rateKey, reason string) {
	s := strings.Join(strings.Fields(strings.ToLower(description)), " ")
	switch {
	case strings.Contains(s, "sole tenancy"), strings.Contains(s, "sole-tenancy"):
		return k, skipTenancy
	case strings.HasPrefix(s, "reserved "), strings.Contains(s, "reservation"), strings.Contains(s, "calendar mode"), strings.Contains(s, "dws "), strings.Contains(s, "flex start"), strings.Contains(s, "flex-start"):
		return k, skipReserved
	}
	if strings.HasPrefix(s, "commitment") {
		return describeCommitment(s, usageType)
	}
	if rest, ok := strings.CutPrefix(s, licenceStart); ok {
		if usageType != "OnDemand" && usageType != "" {
			return k, skipUsage
		}
		k.purchase = pricing.OnDemand
		reason = describeLicence(&k, rest)
		return k, reason
	}
	k.purchase = pricing.OnDemand
	s, spot := cutSpot(s)
	switch usageType {
	case "OnDemand":
	case "Preemptible":
		spot = true
	case "":
	default:
		return k, skipUsage
	}
	if spot {
		k.purchase = pricing.Spot
	}
	// SKUs of spot parts other than these are not filed as on demand.
	filed := !spot || usageType != "OnDemand"
	if m := instanceWords.FindStringSubmatch(s); m != nil && filed {
		if series(&k, m[1]) && setPart(&k, m[2]) {
			return k, ""
		}
		return k, skipUnknown
	}
	s = tailWords.ReplaceAllString(s, "")
	if reason, ok := describeAttached(&k, s); ok {
		return k, reason
	}
	if !filed {
		return k, skipUnknown
	}
	if t, ok := machineWords[s]; ok {
		k.part, k.name = partMachine, t
		return k, ""
	}
	if spot {
		return k, skipUnknown
	}
	if d, ok := diskWords[s]; ok {
		k.part, k.name = partDisk, d
		return k, ""
	}
	switch s {
	case "static ip charge":
		k.part = partIdle
		return k, ""
	case "external ip charge on a standard vm":
		k.part = partInUse
		return k, ""
	}
	return k, skipUnknown
}

// cutSpot takes the words off that mark a SKU of spot VMs.
func cutSpot(s string) (rest string, spot bool) {
	for _, prefix := range []string{"spot preemptible ", "preemptible "} {
		if r, ok := strings.CutPrefix(s, prefix); ok {
			return r, true
		}
	}
	for _, words := range []string{" attached to spot preemptible vms", " attached to spot preemptible vm", " attached to preemptible vms"} {
		if before, after, ok := strings.Cut(s, words); ok && (after == "" || after[0] == ' ') {
			return before + after, true
		}
	}
	return s, false
}

// describeAttached reads what can be attached to a machine: GPUs and local SSD.
func describeAttached(k *rateKey, s string) (reason string, ok bool) {
	if m := gpuWords.FindStringSubmatch(s); m != nil {
		k.part, k.name = partGPU, gpuModels[m[1]]
		if k.name == "" {
			return skipGPU, true
		}
		return "", true
	}
	if m := seriesSSDWords.FindStringSubmatch(s); m != nil {
		k.part, k.name = partLocalSSD, m[1]
		return "", true
	}
	if s == "ssd backed local storage" || s == "local ssd" {
		k.part, k.name = partLocalSSD, ""
		return "", true
	}
	return "", false
}

func describeCommitment(s, usageType string) (k rateKey, reason string) {
	m := commitmentWords.FindStringSubmatch(s)
	if m == nil {
		return k, skipUnknown
	}
	k.purchase, k.years = pricing.CommittedUse, int(m[2][0]-'0')
	if want := map[string]int{"Commit1Yr": 1, "Commit3Yr": 3, "": k.years}[usageType]; want != k.years {
		return k, skipUsage
	}
	if p := commitmentPart.FindStringSubmatch(m[1]); p != nil {
		words := p[1]
		if words == "" { // the first series has no name here
			words = "n1"
		}
		if series(&k, words) && !k.custom && !k.premium && setPart(&k, p[2]) {
			return k, ""
		}
		return k, skipUnknown
	}
	if reason, ok := describeAttached(&k, m[1]); ok {
		return k, reason
	}
	return k, skipUnknown
}

// setPart tells cores and memory apart; a core of extended memory is none.
func setPart(k *rateKey, word string) bool {
	extended := k.part == partExtended
	k.part = partCore
	if word == "ram" {
		k.part = partRAM
		if extended {
			k.part = partExtended
		}
		return true
	}
	return !extended
}

// series reads the words before "core" or "ram", such as "n2d amd custom
// extended instance" or "compute optimized". It is false for any word that it
// does not know.
func series(k *rateKey, words string) bool {
	if rest, ok := strings.CutPrefix(words, "memory optimized upgrade premium for "); ok {
		k.premium, words = true, rest
	}
	words = strings.Replace(words, "compute optimized", "compute-optimized", 1)
	legacy := ""
	for w := range strings.SplitSeq(words, " ") {
		switch {
		case w == "instance", w == "predefined", w == "amd", w == "arm":
		case w == "custom":
			k.custom = true
		case w == "extended":
			k.part = partExtended
		case w == "compute-optimized" && legacy == "":
			legacy = "c2"
		case w == "memory-optimized" && legacy == "":
			legacy = "m1"
		case w == "m4ultramem224" && k.name == "":
			k.name = "m4-ultramem-224"
		case seriesWord.MatchString(w) && k.name == "":
			k.name = w
		default:
			return false
		}
	}
	switch {
	case k.premium:
		k.name = "m2"
		return legacy == "m1" && !k.custom && k.part == partCore
	case k.name == "" && legacy != "":
		k.name = legacy
	case k.name == "" && k.custom:
		k.name = "n1"
	case legacy == "c2", legacy == "m1" && k.name != "m3":
		return false
	}
	// Only custom types have extended memory.
	return k.name != "" && (k.custom || k.part != partExtended)
}
