//! From traces to groups.
