//! The owner's end: listens under the run's name and passes what people ask to the run's loop. It must not know what
//! the loop does with it.

use super::peer::Peer;
use super::words::{self, Reply, Request};
use cutwater_core::names::RunId;
use cutwater_driver::ports::Input;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a client may take to say what it wants.
const SAYING: Duration = Duration::from_secs(10);
/// How long the run's loop may take to answer.
const ANSWERING: Duration = Duration::from_secs(60);
/// How many clients of one user are heard at once, so that nobody can keep others from being heard.
const OF_ONE_USER: usize = 8;
/// How many are heard at once of all users besides root and the engine's own.
const OF_OTHERS: usize = 64;

/// Roles of a peer by the host's policy; root and the engine's own user included as the policy wants it.
pub type Roles = Arc<dyn Fn(&Peer) -> Vec<String> + Send + Sync>;

/// An owner's socket. Dropping it takes the name away, if it still is this one's.
pub struct Server {
    path: PathBuf,
    inode: u64,
    listener: UnixListener,
}

impl Server {
    /// Listens at `FOLDER/RUN.sock`. An older socket of that name is replaced at once: whoever owns the run in the
    /// journal is the one to be asked.
    pub fn listen(folder: &Path, run: &RunId, roles: Roles, inbox: Sender<Input>) -> io::Result<Self> {
        if run.as_str().contains('/') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{run}` is no run's name")));
        }
        std::fs::create_dir_all(folder)?;
        let path = words::path(folder, run.as_str());
        let fresh = folder.join(format!(".{run}.{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh)?;
        std::fs::set_permissions(&fresh, PermissionsExt::from_mode(0o666))?;
        let inode = std::fs::symlink_metadata(&fresh)?.ino();
        std::fs::rename(&fresh, &path)?;
        let (run, listening) = (run.clone(), listener.try_clone()?);
        std::thread::Builder::new()
            .name("run-socket".into())
            .spawn(move || accept(&listening, &run, &roles, &inbox))?;
        Ok(Self { path, inode, listener })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|facts| facts.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
        // Wakes the listening thread, which ends.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
    }
}

fn accept(listener: &UnixListener, run: &RunId, roles: &Roles, inbox: &Sender<Input>) {
    let seats = Arc::new(Seats::default());
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            Err(_) => {
                // Out of descriptors, most likely: others of this process give some back.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        let Ok(credentials) = rustix::net::sockopt::socket_peercred(&stream) else { continue };
        let uid = credentials.uid.as_raw();
        if !seats.take(uid) {
            let _ = words::send(&stream, &Reply::Refused("too many clients at once; try again".into()));
            continue;
        }
        let (run, roles, inbox, taken) = (run.clone(), Arc::clone(roles), inbox.clone(), Arc::clone(&seats));
        let heard = std::thread::Builder::new().name("run-client".into()).spawn(move || {
            let reply = hear(&stream, &run, &roles, &inbox);
            let _ = words::send(&stream, &reply);
            taken.give_back(uid);
        });
        if heard.is_err() {
            seats.give_back(uid);
        }
    }
}

/// Who is heard right now, by user.
#[derive(Default)]
struct Seats(Mutex<BTreeMap<u32, usize>>);

impl Seats {
    fn take(&self, uid: u32) -> bool {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = |uid: u32| uid == 0 || uid == rustix::process::geteuid().as_raw();
        let others: usize = taken.iter().filter(|(uid, _)| !owner(**uid)).map(|(_, count)| count).sum();
        let mine = taken.get(&uid).copied().unwrap_or_default();
        if mine >= OF_ONE_USER || (!owner(uid) && others >= OF_OTHERS) {
            return false;
        }
        taken.insert(uid, mine + 1);
        true
    }

    fn give_back(&self, uid: u32) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get(&uid).copied() {
            Some(count) if count > 1 => drop(taken.insert(uid, count - 1)),
            _ => drop(taken.remove(&uid)),
        }
    }
}

fn hear(stream: &UnixStream, run: &RunId, roles: &Roles, inbox: &Sender<Input>) -> Reply {
    match heard(stream, run, roles, inbox) {
        Ok(done) => Reply::Done(done),
        Err(why) => Reply::Refused(why),
    }
}

fn heard(stream: &UnixStream, run: &RunId, roles: &Roles, inbox: &Sender<Input>) -> Result<String, String> {
    let broken = |error: io::Error| format!("the request cannot be read: {error}");
    stream.set_read_timeout(Some(SAYING)).map_err(broken)?;
    stream.set_write_timeout(Some(SAYING)).map_err(broken)?;
    let peer = Peer::of(stream).map_err(broken)?;
    let request = Request::receive(stream).map_err(broken)?;
    let roles = roles(&peer);
    if let Some(bar) = peer.bar(&roles, &request) {
        return Err(bar);
    }
    let Some(command) = request.command(peer.user, roles) else {
        return Ok(format!("process {} owns run {run}", std::process::id()));
    };
    let (reply, answered) = channel();
    inbox.send(Input::Command(command, reply)).map_err(|_| "the run has ended".to_owned())?;
    answered.recv_timeout(ANSWERING).map_err(|_| "the run's owner did not answer".to_owned())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_user_can_keep_another_from_being_heard() {
        let seats = Seats::default();
        assert!((0..OF_ONE_USER).all(|_| seats.take(4001)));
        assert!(!seats.take(4001), "one user has all seats");
        assert!(seats.take(4002));
        assert!((4100..4200).filter(|&uid| seats.take(uid)).count() < 100, "others have no end of seats");
        assert!(seats.take(0), "root is not heard");
        seats.give_back(4001);
        assert!(seats.take(4002) || seats.take(4001));
    }
}
