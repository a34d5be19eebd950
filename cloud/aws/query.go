package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	pricelist "github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/pricing/types"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

const (
	maxPages    = 10_000
	maxRestarts = 3 // of a query whose token expired
)

// query reads a region through the SDK, and its savings plans from the public
// file.
func (s *Source) query(ctx context.Context, l *list) error {
	c, err := s.dial(ctx, l.region)
	if err != nil {
		return err
	}
	q := &query{source: s, list: l, clients: c}
	// What EC2 says of its types goes before the price list. A failure of it
	// must not take the prices along.
	typesErr := q.types(ctx)
	if typesErr != nil && (errors.Is(typesErr, errStop) || ctx.Err() != nil) {
		return typesErr
	}
	l.source = ListQuery
	if err := q.products(ctx); err != nil {
		return err
	}
	l.done(ListQuery)
	l.source = ListSpot
	if err := q.spot(ctx); err != nil {
		return err
	}
	f := s.files(l.region)
	index, err := f.index(ctx)
	if err != nil {
		return err
	}
	if err := f.savings(ctx, l, index); err != nil {
		return err
	}
	return typesErr
}

// query is the reading of one region through the SDK.
type query struct {
	source  *Source
	list    *list
	clients *clients
	bytes   int64
	// later are the products that may be superseded by better ones.
	later []document
}

// document is a product of the query API.
type document struct {
	id, text  string
	sku       sku
	published time.Time
}

func (q *query) progress(bytes int) {
	q.bytes += int64(bytes)
	if tell := q.source.options.Progress; tell != nil {
		tell(Progress{List: ListQuery, Region: q.list.region, Bytes: q.bytes})
	}
}

// products makes the queries of the price list.
func (q *query) products(ctx context.Context) error {
	instances := []string{"tenancy", "Shared", "preInstalledSw", "NA", "capacitystatus", "Used", "marketoption", "OnDemand", "licenseModel", "No License required"}
	for _, os := range []string{"Linux", "Windows", "RHEL", "SUSE"} {
		if err := q.all(ctx, "AmazonEC2", append(slices.Clone(instances), "operatingSystem", os)...); err != nil {
			return err
		}
	}
	metal := append(slices.Clone(instances), "productFamily", "Compute Instance (bare metal)")
	metal[1] = "Dedicated"
	for _, filters := range [][]string{
		append([]string{"AmazonEC2"}, metal...), {"AmazonEC2", "productFamily", "Storage"}, {"AmazonVPC", "group", "VPCPublicIPv4Address"},
	} {
		if err := q.all(ctx, filters[0], filters[1:]...); err != nil {
			return err
		}
	}
	// The lowest rank of each type and operating system counts.
	q.list.settle()
	for _, d := range q.later {
		if _, ok := q.list.skus[d.id]; !ok {
			continue
		}
		q.list.published = d.published
		if err := q.list.document(d.text, &d.sku); err != nil {
			return fmt.Errorf("decode product %.40q: %w", d.id, err)
		}
	}
	return nil
}

// all reads every page of a query for the region, the filters being fields and
// values in turn. Where a token expires it begins again and passes over what
// it has.
func (q *query) all(ctx context.Context, service string, filters ...string) error {
	in := &pricelist.GetProductsInput{ServiceCode: &service, FormatVersion: sdk.String("aws_v1"), MaxResults: sdk.Int32(100)}
	for i := 0; i < len(filters); i += 2 {
		in.Filters = append(in.Filters, match(filters[i], filters[i+1]))
	}
	in.Filters = append(in.Filters, match("regionCode", q.list.region))
	var p product
	restarts := 0
	for pages := 0; ; pages++ {
		if pages >= maxPages {
			return fmt.Errorf("the price list has more than %d pages of %s", maxPages, service)
		}
		out, err := q.clients.products(ctx, in)
		var expired *types.ExpiredNextTokenException
		switch {
		case errors.As(err, &expired) && in.NextToken != nil && restarts < maxRestarts:
			restarts++
			in.NextToken = nil
			continue
		case err != nil:
			return q.clients.failed(ctx, "query the price list of "+service, err)
		}
		bytes := 0
		for _, doc := range out.PriceList {
			bytes += len(doc)
			if err := q.one(doc, &p); err != nil {
				return err
			}
		}
		q.progress(bytes)
		if sdk.ToString(out.NextToken) == "" {
			return nil
		}
		in.NextToken = out.NextToken
	}
}

func match(field, value string) types.Filter {
	return types.Filter{Type: types.FilterTypeTermMatch, Field: &field, Value: &value}
}

// one takes a product of the query API.
func (q *query) one(doc string, p *product) error {
	published, err := head(doc, p)
	if err != nil {
		return fmt.Errorf("decode a product of the price list: %w", err)
	}
	id := string(p.sku)
	if _, twice := q.list.skus[id]; twice {
		return nil
	}
	q.list.published = published
	if err := q.list.take(id, p); err != nil {
		return err
	}
	k, ok := q.list.skus[id]
	switch {
	case !ok:
		return nil
	case k.rank > 0:
		q.later = append(q.later, document{id, doc, k, published})
		return nil
	}
	if err := q.list.document(doc, &k); err != nil {
		if errors.Is(err, errStop) {
			return err
		}
		return fmt.Errorf("decode product %.40q: %w", id, err)
	}
	return nil
}

// types yields what EC2 tells of its instance types.
func (q *query) types(ctx context.Context) error {
	in := &ec2.DescribeInstanceTypesInput{MaxResults: sdk.Int32(100)}
	for range maxPages {
		out, err := q.clients.instanceTypes(ctx, in)
		if err != nil {
			err = q.clients.failed(ctx, "describe the instance types of EC2", err)
			if denied(err) {
				q.list.notice("EC2 does not describe its instance types to this account (ec2:DescribeInstanceTypes, or the region is not enabled): hypervisor and disk interface come from rules.")
				return nil
			}
			return err
		}
		for i := range out.InstanceTypes {
			s := specificationOf(&out.InstanceTypes[i])
			if !plain(s.InstanceType) {
				q.list.skip(SkippedName)
				continue
			}
			if err := q.list.spec(s); err != nil {
				return err
			}
		}
		if sdk.ToString(out.NextToken) == "" {
			return nil
		}
		in.NextToken = out.NextToken
	}
	return fmt.Errorf("EC2 describes its instance types on more than %d pages", maxPages)
}

// spotSystems are the operating systems by their name in spot prices.
var spotSystems = map[ec2types.RIProductDescription]string{
	"Linux/UNIX": pricing.Linux, "Windows": pricing.Windows, "Red Hat Enterprise Linux": pricing.RHEL, "SUSE Linux": pricing.SUSE,
}

// spot yields the spot price of each type: that of the zone where it is
// dearest, which no zone of the region exceeds.
func (q *query) spot(ctx context.Context) error {
	now := q.list.observed
	in := &ec2.DescribeSpotPriceHistoryInput{StartTime: &now, EndTime: &now, MaxResults: sdk.Int32(1000), ProductDescriptions: []string{"Linux/UNIX", "Windows", "Red Hat Enterprise Linux", "SUSE Linux"}}
	type zone struct {
		key  sku
		zone string
	}
	latest := make(map[zone]pricing.Offer)
	var order []zone
	for pages := 0; ; pages++ {
		if pages >= maxPages {
			return fmt.Errorf("EC2 has more than %d pages of spot prices", maxPages)
		}
		out, err := q.clients.spotPrices(ctx, in)
		if err != nil {
			err = q.clients.failed(ctx, "read the spot prices of EC2", err)
			if denied(err) {
				q.list.notice("EC2 does not tell spot prices to this account (ec2:DescribeSpotPriceHistory, or the region is not enabled).")
				return nil
			}
			return err
		}
		for _, p := range out.SpotPriceHistory {
			os, name := spotSystems[p.ProductDescription], string(p.InstanceType)
			price, err := money.ParsePrice(sdk.ToString(p.SpotPrice), money.USD)
			switch {
			case err != nil:
				return fmt.Errorf("spot price of %.40q: %w", name, err)
			case os == "":
				q.list.skip(SkippedSystem)
				continue
			case !plain(name):
				q.list.skip(SkippedName)
				continue
			}
			z := zone{sku{name: name, os: os}, sdk.ToString(p.AvailabilityZone)}
			old, seen := latest[z]
			if !seen {
				order = append(order, z)
			}
			if from := sdk.ToTime(p.Timestamp).UTC(); !seen || from.After(old.ValidFrom) {
				latest[z] = pricing.Offer{Purchase: pricing.Spot, PerHour: price, ValidFrom: from}
			}
		}
		if sdk.ToString(out.NextToken) == "" {
			break
		}
		in.NextToken = out.NextToken
	}
	dearest := make(map[sku]pricing.Offer)
	for _, z := range order {
		o := latest[z]
		if old, seen := dearest[z.key]; !seen || money.ComparePrices(o.PerHour, old.PerHour) > 0 {
			dearest[z.key] = o
		}
	}
	for _, z := range order {
		o, left := dearest[z.key]
		if !left {
			continue
		}
		delete(dearest, z.key)
		if err := q.list.offer(z.key, o); err != nil {
			return err
		}
	}
	q.list.done(ListSpot)
	return nil
}
