package rightsizing

import "github.com/leanfleet/leanfleet/pricing"

// Older says that a type is of an older generation than another one.
func Older(now, then *pricing.Specification) bool { return older(now, then) }
