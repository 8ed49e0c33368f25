package fleet

// The tabs that a fleet records.
const (
	TabRequests = "bid_requests"
	TabWon      = "bids_won"
	TabLost     = "bids_lost"
	TabPrice    = "winning_bid_price"
	TabLatency  = "bid_latency_ms"
	TabSpend    = "spend_usd"
	TabBytes    = "creative_bytes"
	TabBuild    = "build_version"
	TabLeader   = "zone_leader"
	TabErrors   = "recent_errors"
)

// Tab is a tab and its Type.
type Tab struct {
	Name string
	Type string
	// Counted: answers of this Type tell how many events there were.
	Counted bool
}

// Tabs are all tabs of a fleet, in the order in which a body lists them.
var Tabs = []Tab{
	{TabRequests, "CounterGroup", true},
	{TabWon, "CounterGroup", true},
	{TabLost, "CounterGroup", true},
	{TabPrice, "PercentileGroup", true},
	{TabLatency, "PercentileGroup", true},
	{TabSpend, "TotalsCounter", true},
	{TabBytes, "PercentileCounter", true},
	{TabBuild, "Gauge", false},
	{TabLeader, "ExpiryGauge", false},
	{TabErrors, "Buffer", false},
}

// indexes of Tabs, in its order.
const (
	requests = iota
	won
	lost
	price
	latency
	spend
	size
	build
	leader
	errorsSeen
	tabCount
)
