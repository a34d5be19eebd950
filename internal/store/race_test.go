//go:build race

package store

// raceDetector says that the tests run under it.
const raceDetector = true
