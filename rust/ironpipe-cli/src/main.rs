//! The `ironpipe` command.
fn main() {}
