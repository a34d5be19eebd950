//go:build race

package aws

// raced says that the race detector is on: memory and time are then its own.
const raced = true
