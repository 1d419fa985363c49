//! Whether a user belongs to a group, by the system's user database. Blocks on that database.

use std::ffi::CString;

/// Longest record of the user database that we look at, in bytes.
const RECORD_BYTES_MAX: usize = 64 * 1024;
/// Most groups of one user that we look at (Linux allows a process 65 536).
const GROUPS_MAX: usize = 4096;

/// True if group `gid` is among the supplementary groups of user `uid`.
pub fn user_is_in_group(uid: u32, gid: u32) -> bool {
    user_name(uid).is_some_and(|(name, primary_gid)| groups_of(&name, primary_gid).contains(&gid))
}

fn user_name(uid: u32) -> Option<(CString, u32)> {
    let mut record = std::mem::MaybeUninit::<libc::passwd>::uninit();
    let mut text = vec![0 as libc::c_char; RECORD_BYTES_MAX];
    let mut found = std::ptr::null_mut();
    // SAFETY: every pointer is valid for the length told; the record's texts live in `text` until we copied the name.
    let status = unsafe {
        libc::getpwuid_r(uid, record.as_mut_ptr(), text.as_mut_ptr(), text.len(), &mut found)
    };
    if status != 0 || found.is_null() {
        return None;
    }
    // SAFETY: status 0 and a non-null `found` mean that the record was filled in; its name is NUL-terminated.
    let (name, gid) = unsafe {
        let record = &*found;
        (std::ffi::CStr::from_ptr(record.pw_name).to_owned(), record.pw_gid)
    };
    Some((name, gid))
}

fn groups_of(name: &CString, primary_gid: u32) -> Vec<u32> {
    let mut groups = vec![0 as libc::gid_t; GROUPS_MAX];
    let mut count = GROUPS_MAX as libc::c_int;
    // SAFETY: `groups` has room for `count` entries, which is what getgrouplist is told.
    let status =
        unsafe { libc::getgrouplist(name.as_ptr(), primary_gid, groups.as_mut_ptr(), &mut count) };
    if status < 0 {
        return Vec::new();
    }
    groups.truncate(usize::try_from(count).unwrap_or(0));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_in_its_own_group_and_in_no_invented_one() {
        assert!(user_is_in_group(0, 0));
        assert!(!user_is_in_group(0, 3_999_999_999));
        assert!(!user_is_in_group(3_999_999_999, 0));
    }
}
