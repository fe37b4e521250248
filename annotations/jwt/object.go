package jwt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Two parsers that disagree about a text are how a token comes to mean one thing here and another thing in the Service. JSON leaves it open
// what duplicate members mean, and encoding/json quietly takes the last one; so what is read here has none, at any depth, and is UTF-8.

// maxDepth is how deep objects and lists may be nested.
const maxDepth = 16

var (
	errJSON  = errors.New("it is not JSON in UTF-8")
	errDepth = errors.New("it is nested too deeply")
	errKind  = errors.New("it is not a JSON object")
)

// readObject reads a JSON object (RFC 8259) that has one meaning. Numbers stay text.
func readObject(text []byte) (map[string]any, error) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, errJSON
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := readValue(d, 0)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, errKind
	}
	return object, nil
}

// readValue reads the next value of a text that is JSON.
func readValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	t, err := d.Token()
	if err != nil {
		return nil, errJSON
	}
	switch t {
	case json.Delim('{'):
		return readMembers(d, depth)
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := readValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	}
	return t, nil
}

// readMembers reads the members of an object up to its end.
func readMembers(d *json.Decoder, depth int) (map[string]any, error) {
	object := make(map[string]any)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, errJSON
		}
		name, ok := t.(string)
		if !ok {
			return nil, errJSON
		}
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("it has %q twice", name)
		}
		if object[name], err = readValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return object, err
}
