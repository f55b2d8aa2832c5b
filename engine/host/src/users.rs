//! Users of the system: names to the ids a program or connection takes, and back. It must not know who asks.

use crate::fault::Fault;
use std::ffi::{CStr, CString};

/// All the ids that a user's processes have.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ids {
    /// User id.
    pub uid: u32,
    /// The user's own group.
    pub gid: u32,
    /// Every group, the own one included.
    pub groups: Vec<u32>,
}

/// The ids of the user named `name`, or `missing`.
pub fn find(name: &str) -> Result<Ids, Fault> {
    let text = CString::new(name).map_err(|_| Fault::invalid("a user's name holds a zero byte"))?;
    let entry = passwd(|buffer, size, entry, found| {
        // SAFETY: every pointer stays valid for the call and `size` is the buffer's own.
        unsafe { libc::getpwnam_r(text.as_ptr(), entry, buffer, size, found) }
    })?;
    let Some((_, uid, gid)) = entry else {
        return Err(Fault::missing(format!("there is no user `{}`", name.escape_default())));
    };
    Ok(Ids { uid, gid, groups: groups(&text, gid) })
}

/// The name of the user with that id, if there is one.
pub fn name_of(uid: u32) -> Option<String> {
    // SAFETY: as in `find`.
    passwd(|buffer, size, entry, found| unsafe { libc::getpwuid_r(uid, entry, buffer, size, found) })
        .ok()
        .flatten()
        .map(|(name, ..)| name)
}

/// The name of the group with that id, if there is one.
pub fn group_name(gid: u32) -> Option<String> {
    let mut buffer = vec![0 as libc::c_char; 64 * 1024];
    // SAFETY: an all-zero `group` is a valid value to be filled in.
    let mut entry: libc::group = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    // SAFETY: every pointer stays valid for the call and the size is the buffer's own.
    let code = unsafe { libc::getgrgid_r(gid, &mut entry, buffer.as_mut_ptr(), buffer.len(), &mut found) };
    if code != 0 || found.is_null() {
        return None;
    }
    // SAFETY: on success `gr_name` points at a terminated text inside `buffer`, which is still alive.
    Some(unsafe { CStr::from_ptr(entry.gr_name) }.to_string_lossy().into_owned())
}

type Lookup<'a> =
    &'a dyn Fn(*mut libc::c_char, usize, *mut libc::passwd, *mut *mut libc::passwd) -> libc::c_int;

fn passwd(
    lookup: impl Fn(*mut libc::c_char, usize, *mut libc::passwd, *mut *mut libc::passwd) -> libc::c_int,
) -> Result<Option<(String, u32, u32)>, Fault> {
    let lookup: Lookup = &lookup;
    let mut buffer = vec![0 as libc::c_char; 64 * 1024];
    // SAFETY: an all-zero `passwd` is a valid value to be filled in.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    match lookup(buffer.as_mut_ptr(), buffer.len(), &mut entry, &mut found) {
        0 | libc::ENOENT | libc::ESRCH if found.is_null() => Ok(None),
        0 => {
            // SAFETY: on success `pw_name` points at a terminated text inside `buffer`, which is still alive.
            let name = unsafe { CStr::from_ptr(entry.pw_name) }.to_string_lossy().into_owned();
            Ok(Some((name, entry.pw_uid, entry.pw_gid)))
        }
        code => Err(Fault::io("the system's users cannot be read", std::io::Error::from_raw_os_error(code))),
    }
}

fn groups(name: &CStr, gid: u32) -> Vec<u32> {
    let mut found = vec![0 as libc::gid_t; 64];
    loop {
        let mut count = found.len() as libc::c_int;
        // SAFETY: `found` holds `count` entries, and the name is terminated.
        let code = unsafe { libc::getgrouplist(name.as_ptr(), gid, found.as_mut_ptr(), &mut count) };
        let count = usize::try_from(count).unwrap_or(0);
        if code >= 0 {
            found.truncate(count);
            return found;
        }
        found.resize(count.max(found.len() * 2), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let root = find("root").unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        assert_eq!(name_of(0).as_deref(), Some("root"));
        assert_eq!(group_name(0).as_deref(), Some("root"));
        assert_eq!(find("no-such-user-here").unwrap_err().code, "missing");
    }
}
