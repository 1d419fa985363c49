//! Records which compiler built the tool, so that the manifest of a run can say it.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = Command::new(compiler)
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok());
    if let Some(version) = version {
        println!("cargo:rustc-env=BENCH_RUSTC_VERSION={}", version.trim());
    }
    if let Ok(profile) = std::env::var("PROFILE") {
        println!("cargo:rustc-env=BENCH_PROFILE={profile}");
    }
}
