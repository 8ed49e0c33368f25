package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/term"
)

// The forms of output.
const (
	Table = "table"
	JSON  = "json"
	CSV   = "csv"
)

// Formats are the forms there are, for help and completion.
var Formats = []string{Table, JSON, CSV}

// Output is where a command shows its answer.
type Output struct {
	W io.Writer
	// Terminal: a person is looking. Tables then have borders, and a name is
	// not repeated on every row; otherwise every row stands for itself, for
	// grep and awk.
	Terminal bool
	Color    bool
	Width    int // columns of the terminal; 0: unlimited
}

// NewOutput looks at where w goes and at NO_COLOR.
func NewOutput(w io.Writer, getenv func(string) string) Output {
	out := Output{W: w}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return out
	}
	out.Terminal = true
	out.Color = getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	if width, _, err := term.GetSize(int(f.Fd())); err == nil {
		out.Width = width
	}
	return out
}

// JSON writes a server's JSON answer, indented when a person is looking.
func (o Output) JSON(body []byte) error {
	if o.Terminal {
		var b bytes.Buffer
		if json.Indent(&b, body, "", "  ") == nil {
			body = b.Bytes()
		}
	}
	_, err := fmt.Fprintf(o.W, "%s\n", bytes.TrimSpace(body))
	return err
}

// CSV writes a header and rows.
func (o Output) CSV(header []string, rows [][]string) error {
	w := csv.NewWriter(o.W)
	if err := w.Write(header); err != nil {
		return err
	}
	return w.WriteAll(rows)
}

// AnswersCSV writes Answers, one Line a row. The columns are the same
// whatever the Types; withClient puts a column client before them.
func (o Output) AnswersCSV(list []Answer, withClient bool) error {
	header := append([]string{"name", "type", "window", "count", "total", "average"}, Percentiles...)
	header = append(header, "value", "expires")
	if withClient {
		header = append([]string{"client"}, header...)
	}
	var rows [][]string
	for _, a := range list {
		for _, l := range a.Lines() {
			rows = append(rows, csvRow(a, l, withClient))
		}
	}
	return o.CSV(header, rows)
}

func csvRow(a Answer, l Line, withClient bool) []string {
	row := []string{a.Name, a.Type, l.Window, l.Count, l.Total, l.Average}
	if withClient {
		row = append([]string{a.Client}, row...)
	}
	for i := range Percentiles {
		p := ""
		if i < len(l.Percentiles) {
			p = l.Percentiles[i]
		}
		row = append(row, p)
	}
	return append(row, l.Value, l.Expires)
}

// Words decodes a JSON list of texts. Servers of the original answer an empty
// object when there is nothing.
func Words(body []byte) ([]string, error) {
	if string(bytes.TrimSpace(body)) == "{}" {
		return nil, nil
	}
	var words []string
	if err := json.Unmarshal(body, &words); err != nil {
		return nil, fmt.Errorf("the answer is not a JSON list: %w", err)
	}
	slices.Sort(words)
	return words, nil
}

// Words writes one word a line.
func (o Output) Words(words []string) error {
	for _, w := range words {
		if _, err := fmt.Fprintln(o.W, Printable(w)); err != nil {
			return err
		}
	}
	return nil
}
