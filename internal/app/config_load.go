package app

import (
	"cmp"
	"fmt"
	"os"
	"strings"
)

// Sources are where settings come from. A later one wins: default, file,
// environment, flag.
type Sources struct {
	File string                                    // path of the YAML file; empty: none
	Env  func(name string) (string, bool)          // nil: os.LookupEnv
	Flag func(name string) (value string, ok bool) // flags that were given; nil: none
}

// Origins tells, per key path, where the value in force comes from.
type Origins map[string]string

// A Problem is one thing wrong with a configuration.
type Problem struct {
	Where string // "taba.yaml:7", "TABA_SERVER_LISTEN", "--listen"; empty: nowhere in particular
	Key   string // "server.listen"; empty: the file as a whole
	What  string
}

func (p Problem) Error() string {
	var b strings.Builder
	for _, s := range []string{p.Where, p.Key} {
		if s != "" {
			b.WriteString(s + ": ")
		}
	}
	return b.String() + p.What
}

// Problems is an error that lists everything wrong, one per line.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// err is nil if there are none: a nil Problems in an error is not nil.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// Server returns the settings of a server. The error is Problems.
func (s Sources) Server() (ServerConfig, Origins, error) {
	cfg := DefaultServerConfig()
	origins, problems := s.fill(SectionServer, &cfg)
	if problems == nil {
		problems = problems.located(cfg.problems(), origins)
	}
	return cfg, origins, problems.err()
}

// Agent returns the settings of an agent. The error is Problems.
func (s Sources) Agent() (AgentConfig, Origins, error) {
	cfg := DefaultAgentConfig()
	origins, problems := s.fill(SectionAgent, &cfg)
	if problems == nil {
		problems = problems.located(cfg.problems(), origins)
	}
	return cfg, origins, problems.err()
}

// located gives problems of settings the place their value came from.
func (ps Problems) located(more Problems, origins Origins) Problems {
	for _, p := range more {
		if origin := origins[p.Key]; origin != OriginDefault {
			p.Where = origin
		}
		ps = append(ps, p)
	}
	return ps
}

// OriginDefault is the origin of a value nobody gave.
const OriginDefault = "default"

// fill puts the layers over the defaults that cfg holds.
func (s Sources) fill(section string, cfg any) (Origins, Problems) {
	f, problems := s.file()
	if s.Env == nil {
		s.Env = os.LookupEnv
	}
	origins := Origins{}
	for _, k := range Keys(section) {
		text, origin := s.value(k, f)
		origins[k.Path()] = origin
		if origin == OriginDefault {
			continue
		}
		if err := k.set(cfg, text); err != nil {
			problems = append(problems, Problem{Where: origin, Key: k.Path(), What: err.Error()})
		}
	}
	return origins, problems
}

// value returns the winning text for a key and where it is from.
func (s Sources) value(k Key, f *file) (text, origin string) {
	if s.Flag != nil {
		if text, ok := s.Flag(k.Flag()); ok {
			return text, "--" + k.Flag()
		}
	}
	if text, ok := s.Env(k.Env()); ok && text != "" {
		return text, k.Env()
	}
	if v, ok := f.sections[k.Section][k.Name]; ok {
		return v.text, fmt.Sprintf("%s:%d", f.path, v.line)
	}
	return "", OriginDefault
}

func (s Sources) file() (*file, Problems) {
	if s.File == "" {
		return &file{}, nil
	}
	text, err := os.ReadFile(s.File)
	if err != nil {
		return &file{}, Problems{{What: fmt.Sprintf("read configuration: %v", err)}}
	}
	f := parseFile(s.File, text)
	return f, f.problems
}

// CheckFile reports everything wrong with the configuration file alone, as
// Problems: the sections it has, without environment and flags.
func CheckFile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return Problems{{What: fmt.Sprintf("read configuration: %v", err)}}
	}
	return checkText(path, text).err()
}

func checkText(path string, text []byte) Problems {
	f := parseFile(path, text)
	problems := f.problems
	if _, ok := f.sections[SectionServer]; ok {
		cfg := DefaultServerConfig()
		problems = append(problems, f.check(SectionServer, &cfg, cfg.problems)...)
	}
	if _, ok := f.sections[SectionAgent]; ok {
		cfg := DefaultAgentConfig()
		problems = append(problems, f.check(SectionAgent, &cfg, cfg.problems)...)
	}
	return problems
}

// check sets one section's values and asks its validation what it thinks.
func (f *file) check(section string, cfg any, validate func() Problems) Problems {
	var problems Problems
	origins := Origins{}
	for _, k := range Keys(section) {
		v, ok := f.sections[section][k.Name]
		if !ok {
			origins[k.Path()] = f.path
			continue
		}
		origins[k.Path()] = fmt.Sprintf("%s:%d", f.path, v.line)
		if err := k.set(cfg, v.text); err != nil {
			problems = append(problems, Problem{Where: origins[k.Path()], Key: k.Path(), What: err.Error()})
		}
	}
	if problems != nil || f.problems != nil {
		return problems // what does not go together is asked of good settings only
	}
	return problems.located(validate(), origins)
}

// Setting is one key with its value in force, for people.
type Setting struct {
	Key    Key
	Value  string
	Origin string
}

// withoutPassword is a URL without its user, its password and its query.
func withoutPassword(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = "(hidden)" + rest[at:]
	}
	if before, _, cut := strings.Cut(rest, "?"); cut && strings.Contains(rest, "password") {
		rest = before + "?(hidden)"
	}
	return scheme + "://" + rest
}

// Settings lists a *ServerConfig or *AgentConfig; secrets are not shown.
func Settings(section string, cfg any, origins Origins) []Setting {
	var list []Setting
	for _, k := range Keys(section) {
		value := k.get(cfg)
		if k.Secret && value != "" {
			value = "(hidden)"
		}
		if k.isURL(value) {
			value = withoutPassword(value)
		}
		list = append(list, Setting{Key: k, Value: value, Origin: cmp.Or(origins[k.Path()], OriginDefault)})
	}
	return list
}
