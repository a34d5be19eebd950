// Package advice holds what analyses tell each other and the user as values: a
// change of one host, the checks a person makes before it, and what somebody
// decided about it.
//
// It decides nothing. Rules that find checks between two instance types lie in
// package pricing, those that find changes in the analyses.
package advice
