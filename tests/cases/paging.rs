//! What pages say about the end of their set.
