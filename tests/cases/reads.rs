//! Rows and values as real servers give them, read through Vantage.
