//! Statuses and bodies that mean something else than they say.
