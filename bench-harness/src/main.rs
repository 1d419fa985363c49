//! The program; everything is in the library, which other programs share.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    bench_harness::main()
}
