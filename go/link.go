//go:build !vantage_static

package vantagepool

// #cgo pkg-config: vantage_pool
import "C"
