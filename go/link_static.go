//go:build vantage_static

package vantagepool

// #cgo CFLAGS: -I${SRCDIR}/../crates/ffi/include -DVANTAGE_POOL_STATIC
// #cgo linux,amd64 LDFLAGS: ${SRCDIR}/lib/linux_amd64/libvantage_pool.a -lpthread -lm -ldl
// #cgo linux,arm64 LDFLAGS: ${SRCDIR}/lib/linux_arm64/libvantage_pool.a -lpthread -lm -ldl
// #cgo darwin,amd64 LDFLAGS: ${SRCDIR}/lib/darwin_amd64/libvantage_pool.a
// #cgo darwin,arm64 LDFLAGS: ${SRCDIR}/lib/darwin_arm64/libvantage_pool.a
import "C"
