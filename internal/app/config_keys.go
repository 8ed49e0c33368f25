package app

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Key is one setting as its struct tag declares it.
type Key struct {
	Section string   // "server"
	Name    string   // "limits.body_bytes": its path below the section
	Kind    string   // what its values are: "size", "duration", "host:port", …
	Default string   // as text; empty: none
	OneOf   []string // the values allowed, if they are listed
	Or      string   // what else is: a URL of the scheme that this begins with
	Help    string
	Secret  bool // not to be shown

	min   string
	index []int // of the field, for reflect
}

// Path is the key as a file and an error name it: server.limits.body_bytes.
func (k Key) Path() string { return k.Section + "." + k.Name }

// Flag is the name of the command-line flag, without dashes.
func (k Key) Flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(k.Name) }

// Env is the name of the environment variable.
func (k Key) Env() string {
	return "TABA_" + strings.ToUpper(k.Section+"_"+strings.ReplaceAll(k.Name, ".", "_"))
}

// Check reports whether text is a value for the setting.
func (k Key) Check(text string) error {
	_, err := k.parse(text)
	return err
}

// Keys returns the settings of a section in the order they are declared; nil
// if there is no such section.
func Keys(section string) []Key {
	switch section {
	case SectionServer:
		return serverKeys
	case SectionAgent:
		return agentKeys
	}
	return nil
}

var (
	serverKeys = keysOf(SectionServer, "", reflect.TypeFor[ServerConfig](), nil)
	agentKeys  = keysOf(SectionAgent, "", reflect.TypeFor[AgentConfig](), nil)
)

// keysOf reads the tags of a struct and of the structs in it.
func keysOf(section, prefix string, t reflect.Type, index []int) []Key {
	var keys []Key
	for i := range t.NumField() {
		f := t.Field(i)
		path := append(slices.Clone(index), i)
		name := prefix + f.Tag.Get("key")
		if f.Type.Kind() == reflect.Struct {
			if f.Tag.Get("key") != "" {
				name += "."
			}
			keys = append(keys, keysOf(section, name, f.Type, path)...)
			continue
		}
		keys = append(keys, keyOf(section, name, f, path))
	}
	return keys
}

func keyOf(section, name string, f reflect.StructField, index []int) Key {
	k := Key{
		Section: section, Name: name, index: index,
		Kind:    f.Tag.Get("kind"),
		Default: f.Tag.Get("default"),
		Help:    f.Tag.Get("help"),
		Secret:  f.Tag.Get("secret") == "true",
		OneOf:   parseList(f.Tag.Get("oneof")),
		Or:      f.Tag.Get("or"),
		min:     f.Tag.Get("min"),
	}
	switch {
	case k.Kind != "":
	case k.OneOf != nil:
		k.Kind = strings.Join(k.OneOf, "|")
		if k.Or != "" {
			k.Kind += "|" + k.Or
		}
	default:
		k.Kind = kinds[f.Type]
	}
	return k
}

// kinds names the types of fields in errors, help and documents.
var kinds = map[reflect.Type]string{
	reflect.TypeFor[Bytes]():         "size",
	reflect.TypeFor[time.Duration](): "duration",
	reflect.TypeFor[int]():           "number",
	reflect.TypeFor[bool]():          "true|false",
}

// fieldType returns the type of the key's field.
func (k Key) fieldType() reflect.Type {
	if k.Section == SectionAgent {
		return reflect.TypeFor[AgentConfig]().FieldByIndex(k.index).Type
	}
	return reflect.TypeFor[ServerConfig]().FieldByIndex(k.index).Type
}

// parse returns text as a value of the field's type.
func (k Key) parse(text string) (any, error) {
	v, err := parseAs(k.fieldType(), text)
	if err != nil {
		return nil, err
	}
	if k.OneOf != nil && !slices.Contains(k.OneOf, text) && !k.isURL(text) {
		return nil, fmt.Errorf("%q is not one of %s%s", text, strings.Join(k.OneOf, ", "), didYouMean(text, k.OneOf))
	}
	if k.min != "" && number(v) < number(must(parseAs(k.fieldType(), k.min))) {
		return nil, fmt.Errorf("%s is below the least allowed, %s", text, k.min)
	}
	return v, nil
}

// isURL reports whether text is a URL that is allowed where words are listed.
func (k Key) isURL(text string) bool {
	scheme, _, _ := strings.Cut(k.Or, "://")
	return scheme != "" && strings.HasPrefix(text, scheme) && strings.Contains(text, "://")
}

func parseAs(t reflect.Type, text string) (any, error) {
	switch t {
	case reflect.TypeFor[string]():
		return text, nil
	case reflect.TypeFor[[]string]():
		return parseList(text), nil
	case reflect.TypeFor[bool]():
		return parseBool(text)
	case reflect.TypeFor[int]():
		return parseInt(text)
	case reflect.TypeFor[Bytes]():
		return ParseBytes(text)
	case reflect.TypeFor[time.Duration]():
		return parseDuration(text)
	}
	panic("app: a setting has the type " + t.String() + ", which parseAs does not know")
}

// number orders the values of a type that has a least one allowed.
func number(v any) int64 { return reflect.ValueOf(v).Int() }

// must is for the values in struct tags: they are checked at start-up.
func must(v any, err error) any {
	if err != nil {
		panic("app: bad struct tag: " + err.Error())
	}
	return v
}

// get returns the key's value in a *ServerConfig or *AgentConfig as text.
func (k Key) get(cfg any) string {
	v := reflect.ValueOf(cfg).Elem().FieldByIndex(k.index).Interface()
	if list, ok := v.([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(v)
}

// set parses text and puts it into a *ServerConfig or *AgentConfig.
func (k Key) set(cfg any, text string) error {
	v, err := k.parse(text)
	if err != nil {
		return err
	}
	reflect.ValueOf(cfg).Elem().FieldByIndex(k.index).Set(reflect.ValueOf(v))
	return nil
}

func defaults[C any](section string) C {
	var c C
	for _, k := range Keys(section) {
		if k.Default == "" {
			continue
		}
		if err := k.set(&c, k.Default); err != nil {
			panic("app: default of " + k.Path() + ": " + err.Error())
		}
	}
	return c
}

// didYouMean ends an error about an unknown word with the nearest known one,
// if it is near.
func didYouMean(word string, known []string) string {
	best, least := "", 1+min(2, len(word)/3)
	for _, k := range known {
		if d := distance(word, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is the Levenshtein distance in bytes. Words from outside that are
// much longer than any key are far from all of them.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// IsList reports whether the setting is a list, which a flag may give piece
// by piece.
func (k Key) IsList() bool { return k.fieldType().Kind() == reflect.Slice }
