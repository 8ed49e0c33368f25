package query

import (
	_ "embed"
	"net/http"
)

//go:embed openapi.json
var openAPI []byte

// describe answers with the description of this version of the API.
func (h *Handler) describe(w http.ResponseWriter, r *http.Request) {
	if _, err := h.args(w, r, nil); err != nil {
		h.refuse(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, openAPI)
}
