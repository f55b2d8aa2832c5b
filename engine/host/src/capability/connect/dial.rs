//! Connects a socket, as a user where the address says so. It must not know grants or protocols.

use crate::fault::Fault;
use crate::users::Ids;
use crate::waiting;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use rustix::process::{Gid, Uid};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long connecting may take.
const PATIENCE: Duration = Duration::from_secs(10);
const SLICE: Duration = Duration::from_millis(50);

/// Connects to the unix socket at `path` with these ids (none: the engine's own), as a thread of its own: the raw
/// system calls change the ids of one thread, and the peer sees the ids of whoever called `connect`. The socket is
/// non-blocking.
pub fn unix(path: &str, ids: Option<Ids>, stop: &AtomicBool) -> Result<OwnedFd, Fault> {
    let began = Instant::now();
    loop {
        let attempt = std::thread::scope(|scope| {
            let ids = ids.as_ref();
            let thread = std::thread::Builder::new().name("connect".into());
            let thread = thread.spawn_scoped(scope, move || unix_as(path, ids))?;
            thread.join().unwrap_or_else(|_| Err(Errno::IO)).map_err(std::io::Error::from)
        });
        match attempt {
            Ok(socket) => return Ok(socket),
            // The listener's queue is full.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && began.elapsed() < PATIENCE => {
                match waiting::ready(&mut [], stop, Some(Instant::now() + SLICE)) {
                    Err(fault) if fault.code == "timed-out" => {}
                    other => other?,
                }
            }
            Err(error) => return Err(Fault::io(format!("no connection to {path}"), error)),
        }
    }
}

fn unix_as(path: &str, ids: Option<&Ids>) -> rustix::io::Result<OwnedFd> {
    if let Some(ids) = ids {
        let groups: Vec<_> = ids.groups.iter().copied().map(Gid::from_raw).collect();
        let (uid, gid) = (Uid::from_raw(ids.uid), Gid::from_raw(ids.gid));
        rustix::thread::set_thread_groups(&groups)?;
        rustix::thread::set_thread_res_gid(gid, gid, gid)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Connects to a host's port; each of its addresses is tried. The socket is non-blocking, without delay, kept alive.
pub fn tcp(host: &str, port: u16, stop: &AtomicBool) -> Result<OwnedFd, Fault> {
    let until = Instant::now() + PATIENCE;
    let what = || format!("no connection to {host}:{port}");
    let mut last = Fault::missing(format!("{}: the name has no address", what()));
    for address in addresses(host, port, stop, until)? {
        match tcp_to(address, stop, until) {
            Ok(socket) => return Ok(socket),
            Err(fault) if fault.code == "stopping" => return Err(fault),
            Err(fault) => last = Fault { message: format!("{}: {}", what(), fault.message), ..fault },
        }
    }
    Err(last)
}

/// A name is looked up in a thread of its own, which may outlive our patience.
fn addresses(host: &str, port: u16, stop: &AtomicBool, until: Instant) -> Result<Vec<SocketAddr>, Fault> {
    let (found, answer) = channel();
    let name = (host.to_owned(), port);
    let look_up = move || {
        let _ = found.send(name.to_socket_addrs().map(|all| all.collect()));
    };
    let what = || format!("`{}` cannot be looked up", host.escape_default());
    std::thread::Builder::new().name("look-up".into()).spawn(look_up).map_err(|e| Fault::io(what(), e))?;
    loop {
        match answer.recv_timeout(SLICE) {
            Ok(Ok(all)) => return Ok(all),
            Ok(Err(error)) => return Err(Fault::missing(format!("{}: {error}", what()))),
            Err(RecvTimeoutError::Timeout) if stop.load(std::sync::atomic::Ordering::Relaxed) => {
                return Err(Fault::stopping());
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() < until => {}
            Err(_) => return Err(Fault::timed_out(what())),
        }
    }
}

fn tcp_to(address: SocketAddr, stop: &AtomicBool, until: Instant) -> Result<OwnedFd, Fault> {
    let io = |error: Errno| Fault::io(address, error);
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None).map_err(io)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS) => {
            waiting::ready(&mut [PollFd::new(&socket, PollFlags::OUT)], stop, Some(until))?;
            sockopt::socket_error(&socket).map_err(io)?.map_err(io)?;
        }
        Err(error) => return Err(io(error)),
    }
    sockopt::set_tcp_nodelay(&socket, true).map_err(io)?;
    sockopt::set_socket_keepalive(&socket, true).map_err(io)?;
    sockopt::set_tcp_keepidle(&socket, Duration::from_secs(30)).map_err(io)?;
    sockopt::set_tcp_keepintvl(&socket, Duration::from_secs(10)).map_err(io)?;
    sockopt::set_tcp_keepcnt(&socket, 3).map_err(io)?;
    Ok(socket)
}
