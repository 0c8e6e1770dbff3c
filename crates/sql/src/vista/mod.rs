//! Vistas as tables of SQL, whatever is behind them.

mod exec;
mod json;
mod narrowing;
mod provider;
mod read;

pub use provider::VistaTableProvider;
