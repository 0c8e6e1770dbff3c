//! Bytes that are unusual and still mean something, and bytes that mean nothing.
