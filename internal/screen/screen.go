package screen

import (
	"context"
	"io"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tabaproject/taba/internal/cli"
)

// Options say what is shown at first, and how often it is asked again.
type Options struct {
	Client *cli.Client
	Top    cli.TopQuery
	Every  time.Duration
	In     io.Reader
	Out    io.Writer
	Color  bool
}

// Run shows the screen until somebody leaves it, or ctx ends. It returns an error if
// there never was an answer.
func Run(ctx context.Context, o Options) error {
	m := newModel(ctx, o)
	last, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(o.In), tea.WithOutput(o.Out)).Run()
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	if x := last.(*model); x.got == nil {
		return x.err
	}
	return nil
}

// model is what is on the screen.
type model struct {
	o   Options
	ctx context.Context

	ask    cli.TopQuery // that is asked next
	got    *cli.Ranking // nil: nothing yet
	err    error        // of the last question
	asked  int          // questions; answers to earlier ones are not shown
	took   time.Duration
	width  int
	height int
	first  int // row that is on top
	help   bool
	typing bool   // of the filter, or of what is grouped by
	field  string // "match" or "by"
	text   []rune // typed so far
}

// An answer is what a question got.
type answer struct {
	asked int
	got   *cli.Ranking
	err   error
	took  time.Duration
}

// A turn says that it is time to ask again.
type turn struct{ asked int }

func newModel(ctx context.Context, o Options) *model {
	return &model{o: o, ctx: ctx, ask: o.Top, width: 80, height: 24}
}

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return m.question() }

// question asks what is to be shown now.
func (m *model) question() tea.Cmd {
	m.asked++
	asked, q, c := m.asked, m.ask, m.o.Client
	return func() tea.Msg {
		begun := time.Now()
		got, _, err := c.Top(m.ctx, q)
		return answer{asked, got, err, time.Since(begun)}
	}
}

// restShare is how much longer the screen rests than an answer takes.
const restShare = 9

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case answer:
		if msg.asked != m.asked {
			return m, nil
		}
		m.took, m.err = msg.took, msg.err
		if msg.err == nil {
			m.got = msg.got
			m.scroll(0)
		}
		return m, tea.Tick(max(m.o.Every, restShare*msg.took), func(time.Time) tea.Msg { return turn{msg.asked} })
	case turn:
		if msg.asked == m.asked {
			return m, m.question()
		}
	case tea.KeyPressMsg:
		if m.typing {
			return m, m.typed(msg)
		}
		return m, m.key(msg.String())
	}
	return m, nil
}

// sorts are the keys that sort, in the order of the columns.
var sorts = []struct{ key, by string }{
	{"r", "rate"}, {"e", "events"}, {"t", "tabs"}, {"c", "clients"}, {"b", "bytes"}, {"k", "key"},
}

// key does what a key says.
func (m *model) key(k string) tea.Cmd {
	for _, s := range sorts {
		if s.key == k {
			m.ask.Sort = s.by
			return m.anew()
		}
	}
	switch k {
	case "q", "ctrl+c", "esc":
		if m.help {
			m.help = false
			return nil
		}
		return tea.Quit
	case "?", "h":
		m.help = !m.help
	case "n":
		m.ask.By = "name"
		return m.anew()
	case "N":
		m.ask.By = "tab"
		return m.anew()
	case "C":
		m.ask.By = "client"
		return m.anew()
	case "g":
		m.begin("by", "")
	case "/":
		m.begin("match", m.ask.Match)
	case "down", "j":
		m.scroll(1)
	case "up":
		m.scroll(-1)
	case "pgdown", "space":
		m.scroll(m.room())
	case "pgup":
		m.scroll(-m.room())
	case "home":
		m.scroll(-m.first)
	}
	return nil
}

// anew asks anew, from the first row on.
func (m *model) anew() tea.Cmd {
	m.first = 0
	return m.question()
}

func (m *model) begin(field, text string) {
	m.typing, m.field, m.text = true, field, []rune(text)
}

// typed takes a key while a line is typed.
func (m *model) typed(k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "esc", "ctrl+c":
		m.typing = false
	case "backspace":
		m.text = m.text[:max(0, len(m.text)-1)]
	case "ctrl+u":
		m.text = nil
	case "enter":
		m.typing = false
		if m.field == "by" {
			m.ask.By = string(m.text)
		} else {
			m.ask.Match = string(m.text)
		}
		return m.anew()
	default:
		m.text = append(m.text, []rune(k.Key().Text)...)
	}
	return nil
}

// frame is how many lines are no rows: title, header, and what is below.
const frame = 4

// room is how many rows fit.
func (m *model) room() int { return max(1, m.height-frame) }

// scroll moves what is shown, as far as there is anything.
func (m *model) scroll(by int) {
	last := 0
	if m.got != nil {
		last = max(0, len(m.got.Rows)-m.room())
	}
	m.first = min(max(0, m.first+by), last)
}

// rows are those that are shown.
func (m *model) rows() []cli.Ranked {
	if m.got == nil {
		return nil
	}
	rest := m.got.Rows[min(m.first, len(m.got.Rows)):]
	return slices.Clone(rest[:min(len(rest), m.room())])
}
