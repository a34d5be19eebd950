package azure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/shopspring/decimal"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// skuSource is what facts from the Resource SKUs name as their source.
const skuSource = "azure resource skus"

// listSKUs reads the Resource SKUs of a location through the SDK, which pages,
// throttles and tries again by itself.
func listSKUs(ctx context.Context, o *Options, client *http.Client, location string, page func([]*armcompute.ResourceSKU) error) error {
	options := arm.ClientOptions{}
	if o.ClientOptions != nil {
		options = *o.ClientOptions
	}
	if options.Transport == nil {
		options.Transport = client
	}
	credential := o.Credential
	if credential == nil {
		chain, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: azcore.ClientOptions{Transport: client, Cloud: options.Cloud},
		})
		if err != nil {
			return &signInError{err}
		}
		credential = chain
	}
	skus, err := armcompute.NewResourceSKUsClient(o.Subscription, marked{credential}, &options)
	if err != nil {
		return err
	}
	filter := fmt.Sprintf("location eq '%s'", location)
	pager := skus.NewListPager(&armcompute.ResourceSKUsClientListOptions{Filter: &filter})
	for pager.More() {
		p, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		if err := page(p.Value); err != nil {
			return err
		}
	}
	return nil
}

// errStop ends a list that the consumer no longer wants.
type errStop struct{}

func (errStop) Error() string { return "stopped" }

// specifications yields what the sizes of a region are.
func (s *Source) specifications(ctx context.Context, region string, yield func(pricing.Item, error) bool) {
	r := &reading{source: s, region: region, list: "resource skus", skipped: make(map[string]int)}
	seen := make(map[string]bool)
	err := s.skus(ctx, region, func(page []*armcompute.ResourceSKU) error {
		r.pages++
		for _, sku := range page {
			r.rows++
			spec, ok := specification(sku)
			if !ok || seen[spec.InstanceType] {
				r.skip("other resource")
				continue
			}
			seen[spec.InstanceType] = true
			r.items++
			if !yield(pricing.Item{Spec: &spec}, nil) {
				return errStop{}
			}
		}
		r.report(Progress{})
		return nil
	})
	switch err.(type) {
	case nil:
		r.report(Progress{Done: true})
	case errStop:
	default:
		err = s.signIn(err)
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		yield(pricing.Item{}, fmt.Errorf("azure specifications of %s: resource SKUs of subscription %s: %w (they need a signed-in account with the Reader role; leave the subscription out to do without)", region, s.o.Subscription, err))
	}
}

// ErrCredentials is the error of a reading for which Azure takes no credentials:
// there are none, they have expired or they are not valid. What was read before
// it, all prices among it, stays usable.
var ErrCredentials = errors.New("the credentials of Azure are missing, expired or not valid")

// renew says what to do about ErrCredentials.
const renew = "sign in again (az login), or set a new AZURE_CLIENT_SECRET or certificate"

// aadCode is the code of an answer of Microsoft Entra ID.
var aadCode = regexp.MustCompile(`AADSTS[0-9]+`)

// signInError is an error of the credential, not of the list.
type signInError struct{ err error }

func (e *signInError) Error() string { return e.err.Error() }
func (e *signInError) Unwrap() error { return e.err }

// marked marks the errors of a credential.
type marked struct{ azcore.TokenCredential }

// GetToken implements [azcore.TokenCredential].
func (m marked) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t, err := m.TokenCredential.GetToken(ctx, o)
	if err != nil {
		err = &signInError{err}
	}
	return t, err
}

// signIn returns the error of the Resource SKUs as it may be told. The errors of
// the SDK hold whole answers, in which a server may repeat what it was sent: of
// an answer only the codes are told.
func (s *Source) signIn(err error) error {
	var own *signInError
	var answer *azcore.ResponseError
	switch {
	case errors.As(err, &own):
		why := "no sign-in of the default chain worked"
		if code := aadCode.FindString(own.Error()); code != "" {
			why = "the sign-in answers " + code
		}
		return fmt.Errorf("%w: %s: %s", ErrCredentials, renew, why)
	case errors.As(err, &answer) && answer.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w: %s: the server answers 401 %s", ErrCredentials, renew, answer.ErrorCode)
	case errors.As(err, &answer):
		return fmt.Errorf("the server answers %d %s", answer.StatusCode, answer.ErrorCode)
	}
	return s.hidden.Error(err)
}

// specification returns the facts of a SKU of a virtual machine. What a
// capability does not say, or says in a way that is not known, stays unknown.
func specification(sku *armcompute.ResourceSKU) (pricing.Specification, bool) {
	if sku == nil || sku.Name == nil || *sku.Name == "" || sku.ResourceType == nil || *sku.ResourceType != "virtualMachines" {
		return pricing.Specification{}, false
	}
	has := make(map[string]string, len(sku.Capabilities))
	for _, c := range sku.Capabilities {
		if c != nil && c.Name != nil && c.Value != nil {
			has[*c.Name] = strings.TrimSpace(*c.Value)
		}
	}
	s := pricing.Specification{Provider: pricing.Azure, InstanceType: *sku.Name}
	// Sizes with constrained cores show fewer vCPUs than they are billed for.
	if n, ok := count(has, "vCPUsAvailable"); ok {
		s.VCPUs = pricing.Known(int(n), skuSource)
	} else if n, ok := count(has, "vCPUs"); ok {
		s.VCPUs = pricing.Known(int(n), skuSource)
	}
	if b, ok := memoryBytes(has["MemoryGB"]); ok {
		s.MemoryBytes = pricing.Known(b, skuSource)
	}
	switch strings.ToLower(has["CpuArchitectureType"]) {
	case "x64":
		s.Arch = pricing.Known("x86_64", skuSource)
	case "arm64":
		s.Arch = pricing.Known("arm64", skuSource)
	}
	if g := generations(has["HyperVGenerations"]); len(g) > 0 {
		s.ImageGenerations = pricing.Known(g, skuSource)
	}
	localDisk(&s, has)
	gpus(&s, has)
	if v := has["ConfidentialComputingType"]; v != "" {
		s.Confidential = pricing.Known(true, skuSource)
	}
	diskInterface(&s, has["DiskControllerTypes"])
	limits(&s, has)
	return s, true
}

// count reads a capability that is a whole number above zero.
func count(has map[string]string, name string) (int64, bool) {
	n, err := strconv.ParseInt(has[name], 10, 32)
	return n, err == nil && n > 0
}

// memoryBytes reads a capability in GiB, such as 3.5 or 0.75, exactly.
func memoryBytes(v string) (int64, bool) {
	n, err := money.ParseNumber(v)
	if err != nil || n.Sign() <= 0 {
		return 0, false
	}
	d := n.Decimal().Mul(decimal.NewFromInt(1 << 30))
	if !d.IsInteger() || d.GreaterThan(decimal.NewFromInt(1<<50)) {
		return 0, false
	}
	return d.IntPart(), true
}

// generations reads "V1,V2" as 1 and 2.
func generations(v string) []string {
	var g []string
	for part := range strings.SplitSeq(v, ",") {
		switch strings.ToUpper(strings.TrimSpace(part)) {
		case "V1":
			g = append(g, "1")
		case "V2":
			g = append(g, "2")
		}
	}
	slices.Sort(g)
	return slices.Compact(g)
}

// localDisk reads the temporary disk (MaxResourceVolumeMB) and the local NVMe
// disks (NvmeDiskSizeInMiB) that come with a size. Both are there, as 0, for
// sizes without; a size that says nothing stays unknown.
func localDisk(s *pricing.Specification, has map[string]string) {
	volume, err := strconv.ParseInt(has["MaxResourceVolumeMB"], 10, 64)
	if err != nil || volume < 0 {
		return
	}
	nvme := int64(0)
	if v, ok := has["NvmeDiskSizeInMiB"]; ok {
		if nvme, err = strconv.ParseInt(v, 10, 64); err != nil || nvme < 0 {
			return
		}
	}
	total := float64(volume) + float64(nvme)
	if total > math.MaxInt32*1024 {
		return
	}
	s.TemporaryDisk = pricing.Known(total > 0, skuSource)
	s.LocalDisk = pricing.Known(pricing.LocalDisk{Present: total > 0, GiB: total / 1024}, skuSource)
}

// limits reads what the size moves to and from its managed disks without their
// cache, and whether its network adapter can be passed through. A limit of zero
// is that of a size that tells none.
func limits(s *pricing.Specification, has map[string]string) {
	for name, into := range map[string]*pricing.Fact[float64]{"UncachedDiskBytesPerSecond": &s.DiskBytesPerSecond, "UncachedDiskIOPS": &s.DiskIOPS} {
		if n, err := strconv.ParseInt(has[name], 10, 64); err == nil && n > 0 && n < 1<<50 {
			*into = pricing.Known(float64(n), skuSource)
		}
	}
	switch strings.ToLower(has["AcceleratedNetworkingEnabled"]) {
	case "true":
		s.AcceleratedNetworking = pricing.Known(true, skuSource)
	case "false":
		s.AcceleratedNetworking = pricing.Known(false, skuSource)
	}
}

// gpus reads the number of GPUs. Only sizes with GPUs have it, but some of the
// N family with a part of one do not, so these stay unknown.
func gpus(s *pricing.Specification, has map[string]string) {
	if v, ok := has["GPUs"]; ok {
		if n, err := strconv.ParseFloat(v, 64); err == nil && n >= 0 && n < 1024 {
			s.GPUs = pricing.Known(n, skuSource)
		}
		return
	}
	if !strings.HasPrefix(s.InstanceType, "Standard_N") && len(has) > 0 {
		s.GPUs = pricing.Known(0.0, skuSource)
	}
}

func diskInterface(s *pricing.Specification, v string) {
	v = strings.ToLower(v)
	scsi, nvme := strings.Contains(v, "scsi"), strings.Contains(v, "nvme")
	switch {
	case scsi && nvme:
		s.DiskInterface = pricing.Known(pricing.DiskBoth, skuSource)
	case nvme:
		s.DiskInterface = pricing.Known(pricing.DiskNVMe, skuSource)
	case scsi:
		s.DiskInterface = pricing.Known(pricing.DiskSCSI, skuSource)
	}
}
