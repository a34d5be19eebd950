package aws_test

import (
	"context"
	"fmt"
	"time"

	"github.com/leanfleet/leanfleet/cloud/aws"
	"github.com/leanfleet/leanfleet/pricing"
)

// Reading a region's public lists into a price book. The reading is complete
// only where no error came.
func ExampleSource_Items() {
	update := func(ctx context.Context, book *pricing.Book, now time.Time) error {
		source := aws.New(aws.Options{Now: func() time.Time { return now }})
		reading := pricing.Reading{List: aws.ListBulk, Provider: source.Name(), Region: "us-east-1", At: now, Complete: true}
		var items []pricing.Item
		var failed error
		for item, err := range source.Items(ctx, reading.Region) {
			if err != nil {
				failed, reading.Complete = err, false
				break
			}
			items = append(items, item)
		}
		if _, err := book.Add(reading, items); err != nil {
			return err
		}
		return failed
	}
	book, err := pricing.NewBook(pricing.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // an example asks nobody
	fmt.Println(update(ctx, book, time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)))
	// Output: read prices of aws us-east-1: context canceled
}
