package function

import (
	"encoding/base64"
	"encoding/json"

	"pinfold.dev/pinfold/internal/store"
)

// Page asks for a part of a list.
type Page struct {
	Marker string // what the page before returned; empty: from the start
	Max    int    // at most so many; 0, or more than pageMax: pageMax
}

// pageMax is the most that one page has. Source: "MaxItems" of ListFunctions:
// "Note that ListFunctions returns a maximum of 50 items in each response".
const pageMax = 50

func (p Page) limit() int {
	if p.Max <= 0 || p.Max > pageMax {
		return pageMax
	}
	return p.Max
}

// after is the key that the page starts behind.
func (p Page) after() (store.Key, error) {
	if p.Marker == "" {
		return nil, nil
	}
	var key store.Key
	text, err := base64.RawURLEncoding.DecodeString(p.Marker)
	if err == nil {
		err = json.Unmarshal(text, &key)
	}
	if err != nil || len(key) == 0 {
		return nil, invalid("%q is not a Marker: use the NextMarker of the page before", p.Marker)
	}
	return key, nil
}

// marker makes a page's last key opaque. It stays right whatever is added or
// removed between two pages.
func marker(last store.Key) string {
	text, _ := json.Marshal(last) // strings always encode
	return base64.RawURLEncoding.EncodeToString(text)
}

// list reads one page of a table below prefix, keeping what keep wants (nil:
// all), and returns the marker of the next page or "".
func list[T any](table store.Table[T], prefix store.Key, p Page, keep func(T) bool) (found []T, next string, err error) {
	after, err := p.after()
	if err != nil {
		return nil, "", err
	}
	if len(after) > 0 && len(after) <= len(prefix) {
		return nil, "", invalid("%q is not a Marker of this list", p.Marker)
	}
	var last store.Key
	for limit := p.limit(); ; {
		records, err := table.List(prefix, after, limit+1) // one more says whether there is a next page
		if err != nil {
			return nil, "", err
		}
		for _, record := range records {
			if keep != nil && !keep(record.Value) {
				continue
			}
			if len(found) == limit {
				return found, marker(last), nil
			}
			found, last = append(found, record.Value), record.Key
		}
		if len(records) <= limit {
			return found, "", nil
		}
		after = records[len(records)-1].Key
	}
}
