//! The sink of files: what is read back is what was written, whatever happened in between.

#![cfg(test)]

mod children;
mod compete;
mod crash;
mod faults;
mod formats;
mod meddler;
mod modes;
mod objects;
mod support;
