//! The gateway over raw sockets: what it serves, what it refuses, and what no client can do to it.

#![cfg(test)]

mod support;

mod acceptance;
mod auth;
mod batch;
mod bulk;
mod cache;
mod compression;
mod drain;
mod faults;
mod more_reports;
mod mounted;
mod openapi;
mod operate;
mod own_client;
mod pages;
mod queries;
mod reads;
mod relations;
mod reports;
mod settings;
mod status;
mod streams;
mod traps;
mod writes;
