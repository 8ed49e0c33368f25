package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// fileValue is a setting as a file gives it.
type fileValue struct {
	text string
	line int
}

// file is a parsed configuration file: per section, settings by name.
type file struct {
	path     string
	sections map[string]map[string]fileValue
	problems Problems
}

// parseFile reads a configuration file. What is wrong with it is in problems,
// each with its line; the rest is there nevertheless.
func parseFile(path string, text []byte) *file {
	f := &file{path: path, sections: map[string]map[string]fileValue{}}
	if len(text) > maxFile {
		f.problem(0, "", fmt.Sprintf("the file has %d bytes, more than the %d allowed", len(text), maxFile))
		return f
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, next yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return f
	case err != nil:
		f.syntax(err)
		return f
	}
	if err := dec.Decode(&next); err == nil {
		f.problem(next.Line, "", "a second document begins here; a configuration file holds one")
	} else if !errors.Is(err, io.EOF) {
		f.syntax(err)
	}
	f.root(doc.Content[0])
	return f
}

func (f *file) problem(line int, key, what string) {
	where := f.path
	if line > 0 {
		where += ":" + strconv.Itoa(line)
	}
	f.problems = append(f.problems, Problem{Where: where, Key: key, What: what})
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// syntax adds an error of the YAML parser, which may name the line itself.
func (f *file) syntax(err error) {
	what := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if m := yamlLine.FindStringSubmatch(what); m != nil {
		line, _ = strconv.Atoi(m[1])
		what = what[len(m[0]):]
	}
	f.problem(line, "", "not YAML: "+what)
}

// root reads the sections.
func (f *file) root(n *yaml.Node) {
	if isNull(n) {
		return
	}
	f.pairs(n, "", func(name string, key, value *yaml.Node) {
		if Keys(name) == nil {
			f.problem(key.Line, name, "unknown section"+didYouMean(name, []string{SectionServer, SectionAgent})+
				" A file has the sections server and agent.")
			return
		}
		values := map[string]fileValue{}
		f.sections[name] = values
		if !isNull(value) {
			f.section(name, "", value, values)
		}
	})
}

// section reads the settings below a section or, with a prefix, below a group
// of it such as limits.
func (f *file) section(section, prefix string, n *yaml.Node, values map[string]fileValue) {
	f.pairs(n, section+"."+prefix, func(name string, key, value *yaml.Node) {
		name = prefix + name
		k, known := findKey(section, name)
		switch {
		case known:
			if text, what := scalar(value); what != "" {
				f.problem(value.Line, k.Path(), what)
			} else {
				values[name] = fileValue{text: text, line: key.Line}
			}
		case isGroup(section, name):
			f.section(section, name+".", value, values)
		default:
			f.problem(key.Line, section+"."+name, unknownKey(section, name))
		}
	})
}

// pairs calls each for every key and value of a mapping, once per name.
func (f *file) pairs(n *yaml.Node, path string, each func(name string, key, value *yaml.Node)) {
	path = strings.TrimSuffix(path, ".")
	if n.Kind != yaml.MappingNode {
		f.problem(n.Line, path, "expected keys and values, such as \"listen: 127.0.0.1:8300\"")
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			f.problem(key.Line, path, "a key must be a plain word")
			continue
		}
		if line, again := seen[key.Value]; again {
			f.problem(key.Line, strings.TrimPrefix(path+"."+key.Value, "."), fmt.Sprintf("is given a second time; the first is on line %d", line))
			continue
		}
		seen[key.Value] = key.Line
		each(key.Value, key, value)
	}
}

// scalar returns a value as text, a sequence as a comma-separated list; else
// what is wrong with it.
func scalar(n *yaml.Node) (text, what string) {
	switch {
	case isNull(n):
		return "", "has no value; give one or remove the line"
	case n.Kind == yaml.ScalarNode:
		return n.Value, ""
	case n.Kind == yaml.AliasNode:
		return "", "YAML aliases are not supported here; write the value out"
	case n.Kind == yaml.SequenceNode:
		var list []string
		for _, e := range n.Content {
			if e.Kind != yaml.ScalarNode || isNull(e) || strings.Contains(e.Value, ",") {
				return "", "every element of the list must be a plain value without commas"
			}
			list = append(list, e.Value)
		}
		return strings.Join(list, ","), ""
	}
	return "", "expected a value, not keys and values"
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

func findKey(section, name string) (Key, bool) {
	for _, k := range Keys(section) {
		if k.Name == name {
			return k, true
		}
	}
	return Key{}, false
}

// isGroup reports whether name is the common first part of several keys.
func isGroup(section, name string) bool {
	for _, k := range Keys(section) {
		if strings.HasPrefix(k.Name, name+".") {
			return true
		}
	}
	return false
}

func unknownKey(section, name string) string {
	var known []string
	for _, k := range Keys(section) {
		known = append(known, k.Name)
		if group, _, ok := strings.Cut(k.Name, "."); ok {
			known = append(known, group)
		}
	}
	if hint := didYouMean(name, known); hint != "" {
		return "unknown key" + hint
	}
	for _, other := range []string{SectionServer, SectionAgent} {
		if _, ok := findKey(other, name); ok {
			return "unknown key; it belongs in the section " + other
		}
	}
	return "unknown key; docs/operations.md lists those there are"
}
