//go:build gc && (amd64 || arm64) && !race && !taba_locked

// This file lets functions of this package be declared without a body.
