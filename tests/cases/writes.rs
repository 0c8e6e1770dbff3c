//! Writes as real servers take and refuse them.
