//! Records which compiler and which commit built the tool, so that the manifest of a run can say
//! it, wherever the binary is started.

use std::path::Path;
use std::process::Command;

/// What the tool is built from: a change there may make the commit it names wrong.
const SOURCES: [&str; 5] =
    ["../bench-harness", "../engine", "../transports", "../pgm", "../Cargo.lock"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    if let Some(version) = output(&compiler, &["--version"]) {
        println!("cargo:rustc-env=BENCH_RUSTC_VERSION={version}");
    }
    if let Ok(profile) = std::env::var("PROFILE") {
        println!("cargo:rustc-env=BENCH_PROFILE={profile}");
    }
    if let Some(commit) = commit() {
        println!("cargo:rustc-env=BENCH_GIT_COMMIT={commit}");
    }
}

/// The commit of the sources, with `-dirty` if they hold changes; none outside a repository.
fn commit() -> Option<String> {
    let head = output("git", &["rev-parse", "HEAD"])?;
    let directory = output("git", &["rev-parse", "--absolute-git-dir"])?;
    for watched in ["HEAD", "index", "logs/HEAD"] {
        rerun_if_changed(&Path::new(&directory).join(watched));
    }
    SOURCES.iter().for_each(|source| rerun_if_changed(Path::new(source)));
    let mut status = vec!["status", "--porcelain", "--untracked-files=no", "--"];
    status.extend(SOURCES);
    let clean = output("git", &status)?.is_empty();
    Some(if clean { head } else { format!("{head}-dirty") })
}

fn rerun_if_changed(path: &Path) {
    if path.exists() {
        println!("cargo:rerun-if-changed={}", path.display());
    }
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
