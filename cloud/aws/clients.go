package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	pricelist "github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/leanfleet/leanfleet/internal/webclient"
)

// clients are the calls of the SDK that are made, for one region.
type clients struct {
	products      func(context.Context, *pricelist.GetProductsInput, ...func(*pricelist.Options)) (*pricelist.GetProductsOutput, error)
	instanceTypes func(context.Context, *ec2.DescribeInstanceTypesInput, ...func(*ec2.Options)) (*ec2.DescribeInstanceTypesOutput, error)
	spotPrices    func(context.Context, *ec2.DescribeSpotPriceHistoryInput, ...func(*ec2.Options)) (*ec2.DescribeSpotPriceHistoryOutput, error)
	// secrets returns what no error may show, and why there are no credentials
	// where there are none.
	secrets func(context.Context) ([]string, error)
	hidden  webclient.Secrets // of the addresses
}

// ErrCredentials is the error of a reading for which AWS takes no credentials:
// there are none, they have expired or they are not valid. What was read before
// it stays usable.
var ErrCredentials = errors.New("the credentials of AWS are missing, expired or not valid")

// renew says what to do about ErrCredentials.
const renew = "sign in again (aws sso login) or set new keys, or leave the query off to read the public files, which need none"

// expired are the codes of AWS for credentials that are not taken. EC2's
// AuthFailure is none of them: it also stands for a region that the account has
// not enabled.
var expired = []string{"ExpiredTokenException", "ExpiredToken", "RequestExpired", "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch", "MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignature"}

// dialSDK returns the SDK's clients with the credentials of its default chain.
func (s *Source) dialSDK(ctx context.Context, region string) (*clients, error) {
	if _, err := s.web(); err != nil { // an unreadable CA file
		return nil, err
	}
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		_ = s.harden(t) // it went well just now
	})
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(client), config.WithRegion(region), config.WithAppID(userAgent), config.WithLogger(logging.Nop{}),
		config.WithRetryer(func() sdk.Retryer { return retry.NewStandard(s.retries) }))
	if err != nil {
		return nil, err
	}
	prices := pricelist.NewFromConfig(cfg, func(o *pricelist.Options) {
		// The endpoint's region has nothing to do with the priced one.
		o.Region = "us-east-1"
		if strings.HasPrefix(region, "cn-") {
			o.Region = "cn-northwest-1"
		}
		if s.options.PricingURL != "" {
			o.BaseEndpoint = &s.options.PricingURL
		}
	})
	types := ec2.NewFromConfig(cfg, func(o *ec2.Options) {
		if s.options.EC2URL != "" {
			o.BaseEndpoint = &s.options.EC2URL
		}
	})
	return &clients{
		products: prices.GetProducts, instanceTypes: types.DescribeInstanceTypes, spotPrices: types.DescribeSpotPriceHistory,
		secrets: func(ctx context.Context) ([]string, error) {
			c, err := cfg.Credentials.Retrieve(ctx)
			if err != nil {
				return nil, err
			}
			return []string{c.SecretAccessKey, c.SessionToken, c.AccessKeyID}, nil
		},
		hidden: s.hidden,
	}, nil
}

// retries lets the SDK try as often as files are, with its own pauses.
func (s *Source) retries(o *retry.StandardOptions) {
	o.MaxAttempts = attempts
	// The SDK takes an answer that was cut for a malformed one.
	o.Retryables = append(o.Retryables[:len(o.Retryables):len(o.Retryables)], retry.IsErrorRetryableFunc(func(err error) sdk.Ternary {
		var cut *smithy.DeserializationError
		if errors.As(err, &cut) {
			return sdk.TrueTernary
		}
		return sdk.UnknownTernary
	}))
	o.MaxBackoff = maxPause
	if s.pause > 0 {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return s.pause, nil })
	}
}

// callError is an error of a call: its text without credentials, its code.
type callError struct {
	text string
	code string
	err  error // of the context, ErrCredentials, nil for others
}

func (e *callError) Error() string { return e.text }
func (e *callError) Unwrap() error { return e.err }

// failed returns the error of a call. AWS answers a wrong signature with the
// request's headers, the session token among them, so every text is searched.
func (c *clients) failed(ctx context.Context, what string, err error) error {
	e := &callError{text: what + ": " + c.hidden.Error(err).Error()}
	secrets, none := c.secrets(context.WithoutCancel(ctx))
	e.text = webclient.SecretsOf(nil, secrets...).Text(e.text)
	var api smithy.APIError
	if errors.As(err, &api) {
		e.code = api.ErrorCode()
	}
	switch {
	case ctx.Err() != nil:
		e.err = ctx.Err()
	case none != nil, slices.Contains(expired, e.code):
		e.err = ErrCredentials
		e.text = fmt.Sprintf("%v: %s: %s", ErrCredentials, renew, e.text)
	}
	return e
}

// denied reports whether the account may not make a call, or has not enabled
// the region.
func denied(err error) bool {
	var e *callError
	if !errors.As(err, &e) {
		return false
	}
	switch e.code {
	case "UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "AuthFailure", "OptInRequired":
		return true
	}
	return false
}
