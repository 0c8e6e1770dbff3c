//! Callbacks that hang, large sets of conditions, tokens of other reads.
