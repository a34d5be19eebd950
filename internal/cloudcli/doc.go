// Package cloudcli reads what the clouds' command-line tools print about
// virtual machines, and turns it into inventory statements:
//
//	aws ec2 describe-instances --output json
//	az vm list -d -o json
//	gcloud compute instances list --format json
//
//	inv, err := cloudcli.Read(ctx, "-", cloudcli.Options{Format: cloudcli.Auto, Stdin: os.Stdin})
//	result, err := sink.PutRecords(ctx, inv.Statements, put)
//
// An output may hold several documents one after another, as several pages,
// regions or accounts printed into one file do. A host's key is the cloud's own
// id of the instance, which is new for each machine made: a name used again is
// another host. What a host is has no valid_from, as the tools tell what is now;
// its state has the times that the tools tell, so that outputs read again and
// again become a history. docs/collect.md has the table of fields.
//
// Lists of disks ("aws ec2 describe-volumes", "az disk list", "gcloud compute
// disks list") may stand beside those of machines, in the same output or in others
// that [Join] joins. What an output lists, and where ([Listed], [Place]), is for
// those who conclude what it lacks: docs/inventory-listings.md.
//
// The package resolves no names and knows no store.
package cloudcli
