// Package hosts answers who the hosts of a fleet are: which there are at a
// time, what one of them is and uses, and what its record went through.
//
//	result, err := hosts.List(ctx, env, hosts.ListRequest{Select: "dept=eng"})
//
// It decides nothing about identity or records; the rules are those of
// package inventory.
package hosts
