//! `apipool serve` as it is run: what it serves, to whom, how it ends, and what it refuses.

#![cfg(test)]
#![cfg(unix)]

mod broken;
mod ends;
mod served;
mod support;
