package wire

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/store"
	"google.golang.org/protobuf/encoding/protowire"
)

const protoFile = "../../proto/taba/v2/taba.proto"

// optional fields may be left out of the messages that the test prints,
// because others of the same kind have them.
var optional = map[string][]string{
	"Series": {"tab"},
	"Bundle": {"series", "seconds", "counts", "values", "weights", "events"},
	"Event":  {"weight"},
}

type schemaField struct {
	name, typ string
	repeated  bool
}

// schema is what taba.proto declares: message -> number -> field, and
// enum -> number -> name.
type schema struct {
	messages map[string]map[protowire.Number]schemaField
	enums    map[string]map[uint64]string
}

func readSchema(t *testing.T) schema {
	t.Helper()
	text, err := os.ReadFile(protoFile)
	if err != nil {
		t.Fatal(err)
	}
	s := schema{map[string]map[protowire.Number]schemaField{}, map[string]map[uint64]string{}}
	begin := regexp.MustCompile(`^(message|enum) (\w+) \{$`)
	inside := regexp.MustCompile(`^  (repeated )?(?:(\w+) )?(\w+) = (\d+);$`)
	var kind, name string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if m := begin.FindStringSubmatch(line); m != nil {
			kind, name = m[1], m[2]
			s.messages[name], s.enums[name] = map[protowire.Number]schemaField{}, map[uint64]string{}
			continue
		}
		m := inside.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		n, _ := strconv.ParseUint(m[4], 10, 32)
		if _, dup := s.messages[name][protowire.Number(n)]; dup {
			t.Errorf("%s: number %d is declared twice", name, n)
		}
		if kind == "enum" {
			s.enums[name][n] = m[3]
		} else {
			s.messages[name][protowire.Number(n)] = schemaField{m[3], m[2], m[1] != ""}
		}
	}
	return s
}

// print renders message m of the given type by the schema alone.
func (s schema) print(t *testing.T, typ string, m []byte, absent ...string) string {
	t.Helper()
	var out []string
	seen := map[protowire.Number]bool{}
	err := eachField(m, func(f field) error {
		decl, ok := s.messages[typ][f.num]
		if !ok {
			return fmt.Errorf("%s: field %d is not declared", typ, f.num)
		}
		if seen[f.num] && !decl.repeated {
			return fmt.Errorf("%s.%s occurs twice", typ, decl.name)
		}
		seen[f.num] = true
		if packed := s.packed(t, decl, f); packed != "" {
			out = append(out, decl.name+":"+packed)
			return nil
		}
		out = append(out, decl.name+":"+s.value(t, decl.typ, f))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for n, decl := range s.messages[typ] {
		if !seen[n] && !slices.Contains(optional[typ], decl.name) && !slices.Contains(absent, decl.name) {
			t.Errorf("%s.%s is declared but was not sent", typ, decl.name)
		}
	}
	return strings.Join(out, " ")
}

// packed renders a repeated field of numbers; "" if f is none.
func (s schema) packed(t *testing.T, decl schemaField, f field) string {
	t.Helper()
	numbers := map[string]protowire.Type{"uint32": protowire.VarintType, "uint64": protowire.VarintType, "sint64": protowire.VarintType, "double": protowire.Fixed64Type}
	kind, ok := numbers[decl.typ]
	if !ok || !decl.repeated {
		return ""
	}
	if f.kind != protowire.BytesType {
		t.Errorf("%s is not packed", decl.name)
	}
	var out []string
	for b := f.b; len(b) > 0; {
		e, n := field{kind: kind}, 0
		if kind == protowire.VarintType {
			e.u, n = protowire.ConsumeVarint(b)
		} else {
			e.u, n = protowire.ConsumeFixed64(b)
		}
		if n < 0 {
			t.Fatalf("%s is cut off", decl.name)
		}
		out = append(out, s.value(t, decl.typ, e))
		b = b[n:]
	}
	return "[" + strings.Join(out, " ") + "]"
}

func (s schema) value(t *testing.T, typ string, f field) string {
	t.Helper()
	want, text := protowire.BytesType, ""
	switch {
	case typ == "uint32" || typ == "uint64":
		want, text = protowire.VarintType, fmt.Sprint(f.u)
	case typ == "sint64":
		want, text = protowire.VarintType, fmt.Sprint(protowire.DecodeZigZag(f.u))
	case typ == "bool":
		want, text = protowire.VarintType, fmt.Sprint(f.u == 1)
	case typ == "fixed64":
		want, text = protowire.Fixed64Type, fmt.Sprint(f.u)
	case typ == "double":
		want, text = protowire.Fixed64Type, fmt.Sprint(math.Float64frombits(f.u))
	case typ == "string":
		text = string(f.b)
	case typ == "bytes":
		text = hex.EncodeToString(f.b)
	case len(s.enums[typ]) > 0:
		want, text = protowire.VarintType, s.enums[typ][f.u]
	case len(s.messages[typ]) > 0:
		text = "{" + s.print(t, typ, f.b) + "}"
	default:
		t.Fatalf("taba.proto uses %s, which this test does not know", typ)
	}
	if f.kind != want {
		t.Errorf("a %s was sent with wire type %d", typ, f.kind)
	}
	return text
}

// What the hand-written codec sends, read by the schema alone: every field
// that is declared occurs, none that is not, each under its name.
func TestCodecAgreesWithSchema(t *testing.T) {
	s := readSchema(t)
	id := func(b byte) (id [16]byte) { id[0] = b; return id }
	hex16 := func(b byte) string { return fmt.Sprintf("%02x%030d", b, 0) }
	src := store.SourceID{Birth: 0x11, Class: store.ClassDirect, Nonce: id(0x22)}
	const srcHex = "0000000000000011" + "02" + "22000000000000000000000000000000"
	partition := store.Partition{Version: 1, VBuckets: 16, Key: 99}
	const partitionText = "{version:1 vbuckets:16 key:99}"
	head := store.Head{Seq: 3, Chain: id(4)}
	headText := "{seq:3 chain:" + hex16(4) + "}"
	heads := []store.SourceHead{{VB: 5, Head: head, Epoch: id(6), Verdict: store.SourceGone}}
	headsText := "heads:{vbucket:5 head:" + headText + " epoch:" + hex16(6) + " verdict:VERDICT_SOURCE_GONE}"

	sent := map[string]bool{}
	f := func(typ string, m []byte, want string, absent ...string) {
		t.Helper()
		if got := s.print(t, typ, m, absent...); got != want {
			t.Errorf("%s\n got %s\nwant %s", typ, got, want)
		}
		sent[typ] = true
	}
	f("Batch", AppendBatch(nil, &Batch{
		Namespace: "ns", Partition: partition, StoreID: id(1),
		Parts: []store.Part{{Source: src, VB: 2, Seq: 7, Prev: 6, Chain: id(8), Events: 9, Body: []byte{0xab}}},
	}), "namespace:ns partition:"+partitionText+" store_id:"+hex16(1)+
		" parts:{source:"+srcHex+" vbucket:2 seq:7 prev:6 chain:"+hex16(8)+" events:9 body:ab}", "forget", "names", "series", "second", "bundles", "partials")
	f("Batch", eventsOfEveryKind(), "forget:true second:10 names:74 names:54 names:63 series:{type:1 client:2} series:{tab:2 type:1 client:2}"+
		" bundles:{seconds:[-1 3] counts:[1 2] values:[1.5 2 -3] weights:[1 7 1]}"+
		" bundles:{series:1 events:{time:9.25 payload:227822}}"+
		" bundles:{series:1 events:{time:9.25 payload:227822 weight:4} events:{time:10 payload:31}}"+
		" partials:{series:1 events:6 state:ab}", "namespace", "partition", "store_id", "parts")
	refused := []Refused{{Reason: "payload", Events: 3, Tabs: []string{"a", "b"}}}
	const refusedText = "refused:{reason:payload events:3 tabs:61 tabs:62}"
	f("BatchReply", AppendBatchReply(nil, &BatchReply{Results: []store.PartResult{{
		Verdict: store.Gap, Head: head, Token: id(1), Epoch: id(2), Stable: 5,
		Position: store.Position{Offset: 6, Identity: 7}, Err: errors.New("why"),
	}}, Events: 4, Refused: refused}), "results:{verdict:VERDICT_GAP head:"+headText+" token:"+hex16(1)+" epoch:"+hex16(2)+
		" stable:5 position:{offset:6 identity:7} error:why} events:4 "+refusedText)
	f("StreamReply", AppendStreamReply(nil, &StreamReply{
		Acknowledged: 7, Events: 4, Refused: refused, Frames: []FrameRefusal{{6, 400, "why"}}, Status: 503, Error: "because",
	}), "acknowledged:7 events:4 "+refusedText+" frames:{frame:6 status:400 error:why} status:503 error:because")
	f("OpenRequest", AppendOpenRequest(nil, &OpenRequest{store.ClassDirect, id(1)}), "class:CLASS_DIRECT nonce:"+hex16(1))
	f("OpenReply", AppendOpenReply(nil, &OpenReply{src, id(1), partition, id(2)}),
		"source:"+srcHex+" store_id:"+hex16(1)+" partition:"+partitionText+" epoch:"+hex16(2))
	f("CloseRequest", AppendCloseRequest(nil, &CloseRequest{src, id(1)}), "source:"+srcHex+" token:"+hex16(1))
	f("CloseReply", AppendCloseReply(nil, &CloseReply{store.Closed{Token: id(1), Heads: heads}}), "token:"+hex16(1)+" "+headsText)
	f("HeadsRequest", AppendHeadsRequest(nil, &HeadsRequest{src}), "source:"+srcHex)
	f("HeadsReply", AppendHeadsReply(nil, &HeadsReply{heads}), headsText)
	f("AgentReport", AppendAgentReport(nil, &AgentReport{
		Name: "h:1", Address: "a", Version: "v", Source: "s", SpoolBytes: 5, SpoolQuota: 6, OldestMS: 7, BacklogBytes: 8, BacklogEvents: 9,
		Resent: 10, Lost: 11, Refused: 12, LastError: "e", Traces: []AgentTrace{{
			Kind: "refused", Door: "v1", Reason: "name", Name: "n", Length: 5, Type: "T", Client: "c", Sender: "s", Detail: "d",
			Events: 10, Times: 11, First: 12.5, Last: 13.5,
		}}, ResentMS: 15, Restored: 16, InDoubt: 17, LossMS: 18, DamagedRecords: 19, Quarantine: 20, LostWhere: "vbucket 3",
	}), "name:h:1 address:a version:v source:s spool_bytes:5 spool_quota_bytes:6 oldest_ms:7 backlog_bytes:8 backlog_events:9"+
		" resent_parts:10 lost_events:11 refused_events:12 resent_unix_ms:15 restored_events:16 in_doubt_events:17 loss_unix_ms:18"+
		" damaged_records:19 quarantine_bytes:20 last_error:e lost_vbuckets:vbucket 3 traces:{kind:refused door:v1 reason:name name:6e length:5 type:54"+
		" client:63 sender:s detail:64 events:10 times:11 first:12.5 last:13.5}")

	for _, nested := range []string{"Partition", "Part", "PartResult", "Head", "Position", "SourceHead", "Verdict", "Class",
		"Series", "Bundle", "Event", "Partial", "Refused", "FrameRefusal", "AgentTrace"} {
		sent[nested] = true
	}
	for name := range s.messages {
		if !sent[name] {
			t.Errorf("taba.proto declares %s, which nothing sends", name)
		}
	}
}

// eventsOfEveryKind is a Batch with every field that a Batch of events has.
func eventsOfEveryKind() []byte {
	var e BatchEncoder
	e.Forget()
	e.Begin(10)
	a := e.Series("t", "T", "c")
	b := e.Series("c", "T", "c")
	e.Runs(a, []Run{{9, 1}, {12, 2}}, []float64{1.5, 2, -3}, []uint64{1, 7, 1})
	e.Events(b, []RawEvent{{Time: 9.25, Payload: []byte(`"x"`)}})
	e.Events(b, []RawEvent{{Time: 9.25, Payload: []byte(`"x"`), Weight: 4}, {Time: 10, Payload: []byte("1")}})
	e.Partial(b, 6, []byte{0xab})
	return e.Bytes()
}

func TestEnumsAgreeWithSchema(t *testing.T) {
	s := readSchema(t)
	named := map[string]store.Verdict{
		"VERDICT_UNKNOWN": store.Unknown, "VERDICT_APPLIED": store.Applied, "VERDICT_DUPLICATE": store.Duplicate,
		"VERDICT_GAP": store.Gap, "VERDICT_FORKED": store.Forked,
		"VERDICT_SOURCE_GONE": store.SourceGone, "VERDICT_SOURCE_CLOSED": store.SourceClosed,
	}
	if got, want := len(s.enums["Verdict"]), len(verdicts); got != want {
		t.Errorf("taba.proto has %d verdicts, the codec %d", got, want)
	}
	for n, name := range s.enums["Verdict"] {
		if v, ok := named[name]; !ok || verdicts[n] != v || verdictNumber(v) != n {
			t.Errorf("verdict %s is %d in taba.proto, the codec has %v there", name, n, verdicts[n])
		}
	}
	classNames := map[string]store.Class{"CLASS_UNSPECIFIED": 0, "CLASS_SPOOL": store.ClassSpool, "CLASS_DIRECT": store.ClassDirect}
	if got, want := len(s.enums["Class"]), len(classes); got != want {
		t.Errorf("taba.proto has %d classes, the codec %d", got, want)
	}
	for n, name := range s.enums["Class"] {
		if c, ok := classNames[name]; !ok || classes[n] != c {
			t.Errorf("class %s is %d in taba.proto, the codec has %v there", name, n, classes[n])
		}
	}
}
