// Package handoff hands advised changes to the tools that carry them out: as
// commands for aws, az and gcloud, as variables for Terraform, and as figures
// for Prometheus. Nothing is ever executed here.
//
//	changes, left := handoff.Changes(&result, true)
//	text, err := handoff.Render(handoff.AWS, &result, changes, left)
//
// Names, regions and types come from inventories that anybody may have written.
// A value that is not what the provider takes, such as a name with a quote or a
// line break, never reaches a command: the host is listed in a comment with the
// reason. What reaches a command is quoted besides.
//
// The text depends on the advice alone: no clock, no environment, no random
// order.
package handoff
