// Package diskspace tells how much room a file system has.
package diskspace

// Space is the size of a file system and what is left of it for the user, in
// bytes.
type Space struct {
	Total int64 `json:"total_bytes"`
	Free  int64 `json:"free_bytes"`
}
