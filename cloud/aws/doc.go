// Package aws reads the prices and specifications of Amazon EC2 from AWS: on
// demand, reserved, savings plans and spot, block storage and public addresses.
// [Source] is a [pricing.PriceSource].
//
//	source := aws.New(aws.Options{Now: time.Now})
//	for item, err := range source.Items(ctx, "us-east-1") {
//		if err != nil {
//			return err // the lists are incomplete, what came before stays
//		}
//		items = append(items, item)
//	}
//
// # Requests
//
// Without credentials, which is the default, Items makes these GET requests to
// https://pricing.us-east-1.amazonaws.com, or for cn- regions to
// https://pricing.cn-north-1.amazonaws.com.cn with /cn/ for /aws/:
//
//   - /offers/v1.0/aws/index.json, which names the indexes below
//   - the region index of AmazonEC2 and the file of the region, hundreds of
//     megabytes that are decoded as they arrive
//   - the region index of AmazonVPC and the file of the region, for addresses
//   - the region index of the savings plans and the file of the region
//
// Of the region's products it takes those of shared tenancy, without installed
// software, in use, with the licence included, for Linux, Windows, RHEL and
// SUSE. Bare metal is taken from dedicated tenancy where no shared row stands.
//
// With Options.Query and the credentials of the SDK's default chain, Items
// makes these requests instead of those for AmazonEC2 and AmazonVPC:
//
//   - EC2 DescribeInstanceTypes in the region, page by page
//   - Price List GetProducts (us-east-1, in China cn-northwest-1), page by page:
//     one query for each operating system, for bare metal, storage and addresses
//   - EC2 DescribeSpotPriceHistory in the region, of one moment
//
// The savings plans still come from the public file. The account needs the
// actions pricing:GetProducts, ec2:DescribeInstanceTypes and
// ec2:DescribeSpotPriceHistory; without the latter two their part is left out
// and the [Report] says so.
//
// Nothing else is sent. Credentials stay in the SDK: no error and no report
// holds them, nor the user, password and query of a mirror's address. Expired
// credentials are [ErrCredentials]. Proxy variables of the environment are
// honoured, and Options.CAFile adds certificates to those of the system.
package aws
