package queue

import (
	"bytes"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// reported reads which messages of a batch a function says have failed, by their
// ids. It reports false if the whole batch has, because the answer makes no sense:
// it is not JSON of that form, or an identifier is missing, empty, null or no
// message's. An answer that is empty or null, or that has no list, an empty one or
// null, is a success. Source: "Implementing partial batch responses", "Success and
// failure conditions", Lambda developer guide; of other empty answers, the cases of
// localstack's report_batch_item_success_scenarios.
func reported(answer []byte, known func(id string) bool) (failed map[string]bool, ok bool) {
	switch string(bytes.TrimSpace(answer)) {
	case "", "null", `""`, "[]", "{}":
		return nil, true
	}
	var response struct {
		Failures []struct {
			ID string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(answer, &response, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, false
	}
	for _, item := range response.Failures {
		if item.ID == "" || !known(item.ID) {
			return nil, false
		}
		if failed == nil {
			failed = map[string]bool{}
		}
		failed[item.ID] = true
	}
	return failed, true
}
