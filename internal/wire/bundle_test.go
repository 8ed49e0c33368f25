package wire

import "testing"

// Payloads are UTF-8, though the payloads of v1 are not.
func TestPayloadIsUTF8(t *testing.T) {
	e := RawEvent{Payload: []byte(`{"b": "é束", "a": "\u00e9"}`)}
	v, _, err := e.AppendEvent(nil)
	if want := `{"a": "\u00e9", "b": "\u00e9\u675f"}`; err != nil || string(v.JSON) != want {
		t.Errorf("%q, %v, want %q", v.JSON, err, want)
	}
}
