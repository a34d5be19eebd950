package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// MarshalJSON writes the key as an object in the order asked for; unknown
// values are null.
func (k GroupKey) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, v := range k {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(v.Key)
		if err != nil {
			return nil, err
		}
		b = append(append(b, name...), ':')
		value, err := json.Marshal(v.Value)
		if err != nil {
			return nil, err
		}
		b = append(b, value...)
	}
	return append(b, '}'), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (k *GroupKey) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("group key: not an object")
	}
	key := GroupKey{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return fmt.Errorf("group key: %w", err)
		}
		v := GroupValue{Key: name.(string)}
		if err := d.Decode(&v.Value); err != nil {
			return fmt.Errorf("group key %s: %w", v.Key, err)
		}
		key = append(key, v)
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return fmt.Errorf("group key: %w", err)
	}
	*k = key
	return nil
}
