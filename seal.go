package leanfleet

import "context"

// SealRequest asks to write what came lately into the files of days.
type SealRequest struct{}

// SealResult says what was written into the files of days.
type SealResult struct {
	// Days is the number of days, Samples that of the samples of hosts and process
	// groups that are in files now and were not before.
	Days    int   `json:"days"`
	Samples int64 `json:"samples"`
}

// Seal writes what was appended into the files of days now, today's too, and
// returns when other programs can read it there. Answers are the same before
// and after it, and days that are over are sealed without it: it is for readers
// of the Parquet files, such as DuckDB, who want what came lately.
func (m *Monitor) Seal(ctx context.Context, _ SealRequest) (SealResult, error) {
	before, err := m.store.Status()
	if err != nil {
		return SealResult{}, err
	}
	if err := m.store.Seal(ctx); err != nil {
		return SealResult{}, err
	}
	if before.Head == nil {
		return SealResult{}, nil
	}
	return SealResult{Days: before.Head.Days, Samples: before.Head.Samples}, nil
}
