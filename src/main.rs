//! Wicketgate.
fn main() {}
