//! CLAIMS.md and the script that runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn claims(file: &Path, arguments: &[&str]) -> Output {
    Command::new(root().join("scripts/claims"))
        .args(arguments)
        .env("CLAIMS_FILE", file)
        .output()
        .unwrap()
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

#[test]
fn every_claim_has_a_command_and_a_place_for_its_output() {
    let file = root().join("CLAIMS.md").canonicalize().unwrap();
    let output = claims(&file, &["--check"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(claims(&file, &["--list"]).stdout).unwrap();
    assert!(names.lines().count() > 5, "{names}");
    // Each command writes where the script clears away, and nowhere else.
    let text = fs::read_to_string(&file).unwrap();
    for name in names.lines() {
        let (_, claim) = text.split_once(&format!("<!-- claim: {name} -->")).unwrap();
        let command = claim.lines().find(|line| line.starts_with("    ")).unwrap();
        let folder = format!("target/claims/{name}");
        let mut writes_to = command.split("--out ").skip(1).map(|rest| Path::new(first_word(rest)));
        assert!(writes_to.all(|path| path.starts_with(&folder)), "{command}");
        assert!(!command.contains("scripts/bench") || command.contains(&folder), "{command}");
    }
}

#[test]
fn outputs_are_replaced_and_failures_keep_the_old_one() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("CLAIMS.md");
    let claim = |name: &str, command: &str| {
        format!(
            "<!-- claim: {name} -->\nIt is so.\n\n    {command}\n\n<!-- output: {name} -->\n\
             Old.\n<!-- end: {name} -->\nAfter {name}.\n"
        )
    };
    let text = claim("good-test", "echo new words") + &claim("bad-test", "echo lost; false");
    fs::write(&file, text).unwrap();
    assert!(!claims(&file, &[]).status.success(), "one of them failed");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("```text\nnew words\n```\n<!-- end: good-test -->\nAfter good-test."));
    assert!(text.contains("<!-- output: bad-test -->\nOld.\n<!-- end: bad-test -->"), "{text}");
    fs::write(&file, "<!-- claim: broken -->\nNo command.\n").unwrap();
    assert!(!claims(&file, &["--check"]).status.success());
}
