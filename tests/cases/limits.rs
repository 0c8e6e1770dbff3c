//! Limits and waits as servers really tell them.
