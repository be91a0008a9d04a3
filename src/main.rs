//! The program: chooses the cryptography, reads the command line, calls, and turns the outcome into an
//! exit code (0 yes, 1 no or failed, 2 bad usage or configuration). Everything else is in the library.

use clap::Parser;
use std::process::ExitCode;
use wicketgate::cli::{Cli, run};

/// A request costs a dozen allocations, and this allocator makes them cheapest: see docs/performance.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Whoever builds a TLS configuration without naming a provider gets this one; without it the first
    // connection of the MySQL driver would panic. It fails only where one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    run(Cli::parse())
}
