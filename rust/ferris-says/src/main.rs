//! The crab.
fn main() {}
