//! What the pool promises, over real sockets: one module per family of behaviour.
//! One program, so that it is linked once.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod api;
mod auto;
mod battery;
mod blocked;
mod breaker;
mod calls;
mod cancellation;
mod caps;
mod config;
mod connections;
mod credentials;
mod dampener;
mod demo;
mod enforcer;
mod events;
mod expiry;
mod exports;
mod extractors;
mod faults_of_networks;
mod faults_of_sets;
mod faults_of_targets;
mod follow_ups;
mod hedge;
mod hostile;
mod lifecycle;
mod limits;
mod options;
mod page_formats;
mod pages;
mod pagination;
mod panics;
mod places;
mod pool;
mod priority;
mod proxy;
mod quotas;
mod rate_keys;
mod rate_limit;
mod rates;
mod redirects;
mod resize;
mod retry;
mod seed;
mod sign_in;
mod signatures;
mod statistics;
mod strategies;
mod supervision;
mod tls;
mod token_rotation;
mod token_sources;
mod tokens;
mod vantage_conditions;
mod vantage_dialects;
mod vantage_errors;
mod vantage_paging;
mod vantage_queries;
mod vantage_reads;
mod vantage_relations;
mod vantage_tools;
mod vantage_values;
mod vantage_vista;
mod vantage_writes;
mod windows;
mod wire_faults;
