package ingest

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/tabaproject/taba/internal/trail"
)

// Scope is what a token allows. Scopes do not include one another: a token
// has each that it is given.
type Scope uint8

// Scopes.
const (
	Write Scope = 1 << iota // send events and Batches
	Read                    // query
	Admin                   // change or delete what is stored
)

var scopeNames = []struct {
	scope Scope
	name  string
}{{Write, "write"}, {Read, "read"}, {Admin, "admin"}}

func (s Scope) String() string {
	var names []string
	for _, n := range scopeNames {
		if s&n.scope != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ",")
}

// Auth decides who may call a route. It is safe for concurrent use. A nil
// *Auth, like one without a tokens file, lets everybody in: whoever opens a
// listener must then see to it that it is not reachable from elsewhere.
type Auth struct {
	path    string
	tokens  atomic.Pointer[tokens]
	metrics *Metrics
}

// NewAuth reads the tokens file at path; "" means that no tokens are asked
// for. m counts who is turned away and may be nil.
func NewAuth(path string, m *Metrics) (*Auth, error) {
	if m == nil {
		m = NewMetrics()
	}
	a := &Auth{path: path, metrics: m}
	return a, a.Reload()
}

// Reload reads the tokens file again. On an error the tokens stay as they
// were.
func (a *Auth) Reload() error {
	if a == nil || a.path == "" {
		return nil
	}
	t, err := loadTokens(a.path)
	if err != nil {
		return err
	}
	a.tokens.Store(&t)
	return nil
}

// Enabled reports whether tokens are asked for.
func (a *Auth) Enabled() bool { return a != nil && a.tokens.Load() != nil }

// Require lets only those through to next who present a token with scope.
// Others get 401, or 403 if their token lacks the scope.
func (a *Auth) Require(scope Scope, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e := a.judge(scope, r); e != nil {
			if a != nil {
				a.metrics.refusedRequest(e.reason)
				a.note(scope, e, r)
			}
			if e.status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="taba"`)
			}
			WriteError(w, r, e.status, e.text)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// note keeps that a request with events was not let in.
func (a *Auth) note(scope Scope, e *refusal, r *http.Request) {
	if scope != Write {
		return
	}
	door := trail.DoorV2
	if strings.HasPrefix(r.URL.Path, "/post") {
		door = trail.DoorV1
	}
	a.metrics.noteRequest(door, e, r.RemoteAddr)
}

// May reports whether Require would let a request through.
func (a *Auth) May(scope Scope, r *http.Request) bool { return a.judge(scope, r) == nil }

func (a *Auth) judge(scope Scope, r *http.Request) *refusal {
	if !a.Enabled() {
		return judgeSite(scope, r)
	}
	secret, ok := bearer(r)
	if !ok {
		return refuse(http.StatusUnauthorized, reasonToken,
			"A token with the scope %s is needed. Send it as Authorization: Bearer TOKEN.", scope)
	}
	t := a.tokens.Load().find(secret)
	if t == nil {
		return refuse(http.StatusUnauthorized, reasonToken, "The token is not known here.")
	}
	if t.scopes&scope != scope {
		return refuse(http.StatusForbidden, reasonScope, "The token %q lacks the scope %s; it has %s.", t.name, scope, t.scopes)
	}
	return nil
}

// judgeSite refuses what a page of another site makes a browser on this host
// ask for: without tokens nothing else would keep it from deleting tabs.
// Browsers say where a request comes from, and pages cannot change that.
func judgeSite(scope Scope, r *http.Request) *refusal {
	site := r.Header.Get("Sec-Fetch-Site")
	if scope == Read || site == "" || site == "same-origin" || site == "none" {
		return nil
	}
	return refuse(http.StatusForbidden, reasonSite, "A page of another site may not %s here. Ask for it directly, or use a tokens file.", verbs[scope])
}

var verbs = map[Scope]string{Write: "send events", Admin: "change or delete"}

// bearer returns the token that r presents.
func bearer(r *http.Request) (string, bool) {
	const scheme = "bearer "
	h := r.Header.Get("Authorization")
	if len(h) <= len(scheme) || !strings.EqualFold(h[:len(scheme)], scheme) {
		return "", false
	}
	return strings.TrimSpace(h[len(scheme):]), true
}

// find returns the entry of a token, or nil. How long it takes does not tell
// which hashes come close.
func (ts *tokens) find(secret string) *token {
	sum := sha256.Sum256([]byte(secret))
	var found *token
	for i := range *ts {
		if subtle.ConstantTimeCompare(sum[:], (*ts)[i].hash[:]) == 1 {
			found = &(*ts)[i]
		}
	}
	return found
}
