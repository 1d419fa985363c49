//! The private directory behind `ipc://*`.

use std::io;
use std::path::PathBuf;

use rustix::fs::Mode;
use rustix::io::Errno;
use zeroring_base::rng::Rng;

/// Names tried before giving up: 62^6 names make even one collision unlikely.
const ATTEMPTS_MAX: u32 = 100;
const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// A directory that only our user may enter; removed with its socket when dropped.
#[derive(Debug)]
pub(super) struct PrivateDir(PathBuf);

impl PrivateDir {
    /// Creates one in the first of `$TMPDIR`, `$TEMPDIR`, `$TMP` that is a directory, else in the current directory.
    pub fn create() -> io::Result<Self> {
        let parent = ["TMPDIR", "TEMPDIR", "TMP"]
            .iter()
            .filter_map(std::env::var_os)
            .map(PathBuf::from)
            .find(|path| path.is_dir())
            .unwrap_or_default();
        Self::create_in(parent)
    }

    fn create_in(parent: PathBuf) -> io::Result<Self> {
        let mut rng = Rng::from_system();
        for _ in 0..ATTEMPTS_MAX {
            let path = parent.join(random_name(&mut rng));
            match rustix::fs::mkdir(&path, Mode::RWXU) {
                Ok(()) => return Ok(Self(path)),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Where the socket goes.
    pub fn socket_path(&self) -> String {
        // The parent comes from the environment and need not be UTF-8; a lossy path then fails to bind, visibly.
        self.0.join("socket").to_string_lossy().into_owned()
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        // Nobody can be told: a directory that somebody removed already, or filled, stays as it is.
        let _ = std::fs::remove_file(self.0.join("socket"));
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn random_name(rng: &mut Rng) -> String {
    let letter = |_| LETTERS[rng.below(LETTERS.len() as u64) as usize] as char;
    "tmp".chars().chain((0..6).map(letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_directory_is_private_and_goes_away() {
        let dir = PrivateDir::create_in(std::env::temp_dir()).expect("created");
        let path = dir.0.clone();
        let mode = path.metadata().expect("exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(dir.socket_path().ends_with("/socket"));
        drop(dir);
        assert!(!path.exists());
    }

    #[test]
    fn a_missing_parent_is_enoent() {
        let error = PrivateDir::create_in("/no/such/place".into()).expect_err("no parent");
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    }
}
