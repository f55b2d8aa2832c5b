//! Who is at the other end of a unix socket, as the kernel tells it, and what they may ask. It must not know the run.

use super::words::Request;
use crate::users;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// The role that may steer a run (pause, resume, abort, settle) besides root and the engine's own user.
pub const OPERATOR: &str = "operator";

/// A process at the other end, when it connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its user id.
    pub uid: u32,
    /// Its user's name; the id in digits where there is none.
    pub user: String,
    /// Names of all its groups.
    pub groups: Vec<String>,
}

impl Peer {
    /// The peer of a connected socket.
    pub fn of(socket: impl AsFd) -> io::Result<Self> {
        let credentials = rustix::net::sockopt::socket_peercred(&socket)?;
        let (uid, gid) = (credentials.uid.as_raw(), credentials.gid.as_raw());
        let mut ids = groups(socket)?;
        ids.push(gid);
        ids.sort_unstable();
        ids.dedup();
        let user = users::name_of(uid).unwrap_or_else(|| uid.to_string());
        Ok(Self { uid, user, groups: ids.into_iter().filter_map(users::group_name).collect() })
    }

    /// Whether it is root or the engine's own user, who may do anything.
    pub fn is_owner(&self) -> bool {
        self.uid == 0 || self.uid == rustix::process::geteuid().as_raw()
    }

    /// Why this peer, with these roles, may not ask for that; none: it may. Whether a role is one that an approval
    /// names is for the run to see.
    pub fn bar(&self, roles: &[String], request: &Request) -> Option<String> {
        let allowed = self.is_owner()
            || match request {
                Request::Ping => true,
                Request::Approve { .. } => !roles.is_empty(),
                Request::Quit => false,
                _ => roles.iter().any(|role| role == OPERATOR),
            };
        let needed = match request {
            Request::Approve { .. } => "a role of the host's policy".to_owned(),
            Request::Quit => "root or the engine's own user".to_owned(),
            _ => format!("the role `{OPERATOR}` of the host's policy"),
        };
        (!allowed).then(|| format!("user {} may not: it needs {needed}", self.user))
    }
}

fn groups(socket: impl AsFd) -> io::Result<Vec<u32>> {
    let mut ids = vec![0 as libc::gid_t; 256];
    loop {
        let mut size = libc::socklen_t::try_from(ids.len() * size_of::<libc::gid_t>()).unwrap_or(0);
        // SAFETY: `ids` holds `size` bytes, and the kernel says how many it filled in.
        let code = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                ids.as_mut_ptr().cast(),
                &mut size,
            )
        };
        let count = size as usize / size_of::<libc::gid_t>();
        match code {
            0 => {
                ids.truncate(count);
                return Ok(ids);
            }
            _ if io::Error::last_os_error().raw_os_error() == Some(libc::ERANGE) && count > ids.len() => {
                ids.resize(count, 0);
            }
            _ => return Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32) -> Peer {
        Peer { uid, user: format!("u{uid}"), groups: vec![] }
    }

    #[test]
    fn a_stranger_may_only_ask_whether_anybody_is_there() {
        let approve = Request::Approve { step: None, plan: "h".into() };
        assert!(peer(65534).bar(&[], &approve).unwrap().contains("u65534"));
        assert!(peer(65534).bar(&[], &Request::Abort).is_some());
        assert_eq!(peer(65534).bar(&[], &Request::Ping), None);
    }

    #[test]
    fn a_role_approves_and_only_an_operator_steers() {
        let approve = Request::Approve { step: None, plan: "h".into() };
        let dba = ["dba".to_owned()];
        assert_eq!(peer(1000).bar(&dba, &approve), None);
        assert!(peer(1000).bar(&dba, &Request::Pause).is_some());
        assert_eq!(peer(1000).bar(&[OPERATOR.to_owned()], &Request::Pause), None);
        assert!(peer(1000).bar(&[OPERATOR.to_owned()], &Request::Quit).is_some());
        assert_eq!(peer(0).bar(&[], &Request::Quit), None);
    }
}
