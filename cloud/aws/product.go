package aws

import (
	"strings"

	"github.com/leanfleet/leanfleet/cloud/aws/internal/jsonscan"
	"github.com/leanfleet/leanfleet/pricing"
)

// attribute is one that matters here.
type attribute int

const (
	instanceType attribute = iota
	operatingSystem
	tenancy
	preInstalledSw
	capacityStatus
	licenseModel
	marketOption
	regionCode
	locationType
	instanceFamily
	currentGeneration
	vcpu
	memory
	storage
	networkPerformance
	dedicatedEBS
	physicalProcessor
	processorArchitecture
	gpu
	volumeAPIName
	usageType
	operation
	attributes
)

func attributeOf(key []byte) (attribute, bool) {
	switch string(key) {
	case "instanceType":
		return instanceType, true
	case "operatingSystem":
		return operatingSystem, true
	case "tenancy":
		return tenancy, true
	case "preInstalledSw":
		return preInstalledSw, true
	case "capacitystatus":
		return capacityStatus, true
	case "licenseModel":
		return licenseModel, true
	case "marketoption":
		return marketOption, true
	case "regionCode":
		return regionCode, true
	case "locationType":
		return locationType, true
	case "instanceFamily":
		return instanceFamily, true
	case "currentGeneration":
		return currentGeneration, true
	case "vcpu":
		return vcpu, true
	case "memory":
		return memory, true
	case "storage":
		return storage, true
	case "networkPerformance":
		return networkPerformance, true
	case "dedicatedEbsThroughput":
		return dedicatedEBS, true
	case "physicalProcessor":
		return physicalProcessor, true
	case "processorArchitecture":
		return processorArchitecture, true
	case "gpu":
		return gpu, true
	case "volumeApiName":
		return volumeAPIName, true
	case "usagetype":
		return usageType, true
	case "operation":
		return operation, true
	}
	return 0, false
}

// product is one of a price list. It is read again and again into the same
// memory: most of a list is not kept.
type product struct {
	sku    []byte
	family []byte
	values [attributes][]byte
}

func (p *product) clear() {
	p.sku, p.family = p.sku[:0], p.family[:0]
	for i := range p.values {
		p.values[i] = p.values[i][:0]
	}
}

// read reads the next value as a product.
func (p *product) read(s *jsonscan.Scanner) error {
	return s.Object(func(key []byte) error {
		switch string(key) {
		case "sku":
			return take(s, &p.sku)
		case "productFamily":
			return take(s, &p.family)
		case "attributes":
			return s.Object(func(key []byte) error {
				if a, ok := attributeOf(key); ok {
					return take(s, &p.values[a])
				}
				return s.Skip()
			})
		}
		return s.Skip()
	})
}

func take(s *jsonscan.Scanner, into *[]byte) error {
	raw, err := s.Scalar()
	if err == nil && string(raw) != "null" {
		*into = append((*into)[:0], raw...)
	}
	return err
}

func (p *product) is(a attribute, any ...string) bool {
	for _, v := range any {
		if string(p.values[a]) == v {
			return true
		}
	}
	return false
}

func (p *product) text(a attribute) string { return string(p.values[a]) }

// kind is what a SKU is the price of.
type kind uint8

const (
	ofInstance kind = iota + 1
	ofStorage
	ofAddress
	ofOldAddress // an Elastic IP address in lists without AmazonVPC
)

// sku is a product that is kept.
type sku struct {
	kind kind
	name string // instance or disk type
	os   string
	idle bool
	// rank tells apart several products of one type and operating system: the
	// lowest is the list price of a shared host, and the others are dropped.
	rank uint8
}

// The reasons why a row is skipped, as a [Report] counts them.
const (
	SkippedZero        = "price of zero"
	SkippedPlace       = "local zone, wavelength zone, outpost or another region"
	SkippedSystem      = "another operating system"
	SkippedSoftware    = "with installed software"
	SkippedLicence     = "licence brought along"
	SkippedTenancy     = "dedicated tenancy"
	SkippedCapacity    = "capacity reservation"
	SkippedMarket      = "capacity block"
	SkippedVariant     = "another variant of a type"
	SkippedName        = "unreadable name"
	SkippedTerm        = "another kind of commitment"
	SkippedCurrency    = "unknown currency"
	SkippedUnit        = "another unit, or several prices"
	SkippedSuperseded  = "superseded by a later price"
	SkippedUnknownPlan = "rate of an unknown savings plan"
)

// operations are those of the operating systems without anything added.
var operations = map[string]string{
	pricing.Linux: "RunInstances", pricing.Windows: "RunInstances:0002", pricing.RHEL: "RunInstances:0010", pricing.SUSE: "RunInstances:000g",
}

// classify returns what a product of a list is, or why it is skipped; neither
// for products that have nothing to do with hosts.
func (p *product) classify(region string) (k sku, skipped string) {
	switch string(p.family) {
	case "Compute Instance", "Compute Instance (bare metal)":
		return p.instance(region)
	case "Storage":
		if len(p.values[volumeAPIName]) == 0 || !strings.Contains(p.text(usageType), "EBS:VolumeUsage") {
			return sku{}, ""
		}
		k = sku{kind: ofStorage, name: p.text(volumeAPIName)}
	case "", "IP Address":
		_, usage, ok := strings.Cut("-"+p.text(usageType), "-")
		if i := strings.LastIndexByte(usage, '-'); ok && i >= 0 {
			usage = usage[i+1:]
		}
		switch usage {
		case "PublicIPv4:IdleAddress":
			k = sku{kind: ofAddress, idle: true}
		case "PublicIPv4:InUseAddress":
			k = sku{kind: ofAddress}
		case "ElasticIP:IdleAddress":
			k = sku{kind: ofOldAddress, idle: true}
		default:
			return sku{}, ""
		}
	default:
		return sku{}, ""
	}
	if !p.in(region) {
		return sku{}, SkippedPlace
	}
	if k.kind == ofStorage && !plain(k.name) {
		return sku{}, SkippedName
	}
	return k, ""
}

// in reports whether the product is sold in the region itself.
func (p *product) in(region string) bool {
	return p.is(regionCode, "", region) && p.is(locationType, "", "AWS Region")
}

func (p *product) instance(region string) (sku, string) {
	if !p.in(region) {
		return sku{}, SkippedPlace
	}
	os := map[string]string{"Linux": pricing.Linux, "Windows": pricing.Windows, "RHEL": pricing.RHEL, "SUSE": pricing.SUSE}[p.text(operatingSystem)]
	name := p.text(instanceType)
	dedicatedMetal := p.is(tenancy, "Dedicated") && strings.Contains(name, ".metal")
	switch {
	case os == "":
		return sku{}, SkippedSystem
	case !p.is(preInstalledSw, "NA"):
		return sku{}, SkippedSoftware
	case !p.is(tenancy, "Shared") && !dedicatedMetal:
		return sku{}, SkippedTenancy
	case !p.is(capacityStatus, "Used"):
		return sku{}, SkippedCapacity
	case !p.is(licenseModel, "No License required") && (os == pricing.Windows || !p.is(licenseModel, "", "NA")):
		return sku{}, SkippedLicence
	case !p.is(marketOption, "", "OnDemand"):
		return sku{}, SkippedMarket
	case !plain(name) || !strings.Contains(name, "."):
		return sku{}, SkippedName
	}
	k := sku{kind: ofInstance, name: name, os: os}
	switch {
	case dedicatedMetal:
		k.rank = 2
	case !p.is(operation, "", operations[os]):
		k.rank = 1
	}
	return k, ""
}

// plain reports whether a name has letters, digits and .-_ only and is short.
func plain(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
