package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/cloud/aws/internal/jsonscan"
	"github.com/leanfleet/leanfleet/internal/webclient"
)

// files are the public files of the partition that a region lies in.
type files struct {
	source *Source
	base   string
	part   string // aws or cn
	region string
}

func (s *Source) files(region string) files {
	f := files{s, "https://pricing.us-east-1.amazonaws.com", "aws", region}
	if strings.HasPrefix(region, "cn-") {
		f.base, f.part = "https://pricing.cn-north-1.amazonaws.com.cn", "cn"
	}
	if s.options.BaseURL != "" {
		f.base = strings.TrimSuffix(s.options.BaseURL, "/")
	}
	return f
}

// at returns where a URL of an index lies: they are relative to the base, and
// an absolute one is read from the base too.
func (f files) at(ref string) (string, error) {
	u, err := url.Parse(ref)
	if err != nil || !strings.HasPrefix(u.Path, "/") {
		return "", fmt.Errorf("the index names a file at %q, which is no URL", webclient.Show(ref))
	}
	return f.url(u.EscapedPath()), nil
}

// url returns the address of a path of the base, behind which the query of the
// base stays: that of a mirror may be what opens it.
func (f files) url(path string) string {
	base, query, _ := strings.Cut(f.base, "?")
	if query != "" {
		path += "?" + query
	}
	return strings.TrimSuffix(base, "/") + path
}

// service is what the index of all services says of one.
type service struct {
	Regions      string `json:"currentRegionIndexUrl"`
	SavingsPlans string `json:"currentSavingsPlanIndexUrl"`
}

// index reads the index of all services.
func (f files) index(ctx context.Context) (map[string]service, error) {
	var index struct {
		Offers map[string]service `json:"offers"`
	}
	at := f.url("/offers/v1.0/" + f.part + "/index.json")
	if err := f.source.small(ctx, at, &index); err != nil {
		return nil, err
	}
	if index.Offers["AmazonEC2"].Regions == "" {
		return nil, fmt.Errorf("read %s: it names no region index of AmazonEC2", webclient.Show(at))
	}
	return index.Offers, nil
}

// regions reads the region index of a service: the file of each region.
func (f files) regions(ctx context.Context, index map[string]service, name string) (map[string]string, error) {
	at, err := f.at(index[name].Regions)
	if err != nil {
		return nil, err
	}
	var list struct {
		Regions map[string]struct {
			URL string `json:"currentVersionUrl"`
		} `json:"regions"`
	}
	if err := f.source.small(ctx, at, &list); err != nil {
		return nil, err
	}
	regions := make(map[string]string, len(list.Regions))
	for region, r := range list.Regions {
		regions[region] = r.URL
	}
	return regions, nil
}

// open opens a file of a list.
func (f files) open(ctx context.Context, list, ref string) (*download, error) {
	at, err := f.at(ref)
	if err != nil {
		return nil, err
	}
	d := f.source.get(ctx, at, nil)
	if tell := f.source.options.Progress; tell != nil {
		d.progress = func(read, total int64) {
			tell(Progress{List: list, Region: f.region, URL: d.shown, Bytes: read, Total: total})
		}
	}
	return d, nil
}

// bulk reads the public files of a region.
func (s *Source) bulk(ctx context.Context, l *list) error {
	f := s.files(l.region)
	index, err := f.index(ctx)
	if err != nil {
		return err
	}
	regions, err := f.regions(ctx, index, "AmazonEC2")
	if err != nil {
		return err
	}
	ref, ok := regions[l.region]
	if !ok {
		return fmt.Errorf("the price list of AmazonEC2 has no region %q", l.region)
	}
	l.source = ListBulk
	if err := f.offers(ctx, l, ref); err != nil {
		return err
	}
	if err := f.addresses(ctx, l, index); err != nil {
		return err
	}
	l.done(ListBulk)
	return f.savings(ctx, l, index)
}

// addresses reads the file of AmazonVPC, which has the public addresses.
func (f files) addresses(ctx context.Context, l *list, index map[string]service) error {
	if index["AmazonVPC"].Regions == "" {
		l.notice("The price list has no AmazonVPC, which holds the prices of public addresses.")
		return l.flush()
	}
	regions, err := f.regions(ctx, index, "AmazonVPC")
	if err != nil {
		return err
	}
	ref, ok := regions[l.region]
	if !ok {
		l.notice("The price list of AmazonVPC, which holds the prices of public addresses, lacks the region.")
		return l.flush()
	}
	if err := f.offers(ctx, l, ref); err != nil {
		return err
	}
	return l.flush()
}

// offers reads the offer file of a service.
func (f files) offers(ctx context.Context, l *list, ref string) error {
	d, err := f.open(ctx, ListBulk, ref)
	if err != nil {
		return err
	}
	defer d.Close()
	return named(d, l.decodeOffers(d))
}

// named adds the name of the file to an error of its decoder. Those of the
// connection have it.
func named(d *download, err error) error {
	if err == nil || errors.Is(err, errStop) || (d.err != nil && errors.Is(err, d.err)) {
		return err
	}
	return fmt.Errorf("read %s: %w", d.shown, err)
}

// decodeOffers decodes an offer file as it arrives: the products, of which it
// keeps the wanted ones, and then their terms.
func (l *list) decodeOffers(r io.Reader) error {
	s := jsonscan.New(r)
	var products, terms bool
	l.published = time.Time{}
	err := s.Object(func(key []byte) error {
		switch string(key) {
		case "publicationDate":
			t, err := timeOf(s)
			l.published = t
			return err
		case "products":
			if products = true; terms {
				return fmt.Errorf("byte %d: the products stand behind the terms", s.Offset())
			}
			if err := l.products(s); err != nil {
				return err
			}
			l.settle()
			return nil
		case "terms":
			if terms = true; !products {
				return fmt.Errorf("byte %d: the terms stand before the products", s.Offset())
			}
			return l.termSections(s)
		}
		return s.Skip()
	})
	if err != nil {
		return err
	}
	if !products || !terms {
		return errors.New("the file holds no products or no terms: it is no price list")
	}
	return s.End()
}

func (l *list) products(s *jsonscan.Scanner) error {
	var p product
	return s.Object(func(sku []byte) error {
		id := string(sku)
		p.clear()
		if err := p.read(s); err != nil {
			return err
		}
		return l.take(id, &p)
	})
}

// termSections reads the terms of all SKUs by their kind.
func (l *list) termSections(s *jsonscan.Scanner) error {
	return s.Object(func(kind []byte) error {
		reserved := string(kind) == "Reserved"
		if !reserved && string(kind) != "OnDemand" {
			return s.Skip()
		}
		return s.Object(func(id []byte) error {
			k, ok := l.skus[string(id)]
			if !ok {
				return s.Skip()
			}
			return l.terms(s, k, reserved)
		})
	})
}

// document reads one product with its terms, as the query API answers it.
func (l *list) document(doc string, k *sku) error {
	s := jsonscan.New(strings.NewReader(doc))
	err := s.Object(func(key []byte) error {
		if string(key) != "terms" {
			return s.Skip()
		}
		return s.Object(func(kind []byte) error {
			reserved := string(kind) == "Reserved"
			if !reserved && string(kind) != "OnDemand" {
				return s.Skip()
			}
			return l.terms(s, *k, reserved)
		})
	})
	if err != nil {
		return err
	}
	return s.End()
}

// head reads the product of a document of the query API.
func head(doc string, p *product) (published time.Time, err error) {
	s := jsonscan.New(strings.NewReader(doc))
	p.clear()
	err = s.Object(func(key []byte) error {
		switch string(key) {
		case "product":
			return p.read(s)
		case "publicationDate":
			t, err := timeOf(s)
			published = t
			return err
		}
		return s.Skip()
	})
	if err == nil {
		err = s.End()
	}
	return published, err
}

// timeOf reads a time; one that is none is unknown.
func timeOf(s *jsonscan.Scanner) (time.Time, error) {
	raw, err := s.Scalar()
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, string(raw))
	if err != nil {
		return time.Time{}, nil
	}
	return t.UTC(), nil
}
