package fleet

import "context"

// Approximate is a [Source] whose profiles may hold shares of time that are a
// little off, because an engine elsewhere was asked for a grid of quantiles in
// place of every sample. A source without this method reads every sample.
type Approximate interface {
	Source
	// RankError is how far, at most, the share of time at or below any value is
	// off in the profiles that answer a query, and in all that is merged from
	// them: a ratio of the time, 0 where every sample is read. With 0.0075 a 95th
	// percentile lies between the exact 94.25th and 95.75th. Counts, times, sums
	// and bounds are exact all the same. It is of the query's last answer when it
	// is asked for behind that, and else of the next one.
	RankError(ctx context.Context, q Query) (float64, error)
}

// RankError is the rank error of a source's answer to a query, 0 of a source
// that reads every sample; see [Approximate].
func RankError(ctx context.Context, s Source, q Query) (float64, error) {
	if a, ok := s.(Approximate); ok {
		return a.RankError(ctx, q)
	}
	return 0, nil
}
