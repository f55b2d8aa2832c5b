//! The run's socket, with real clients.

#![expect(clippy::unwrap_used, reason = "a test")]

use cutwater_driver::ports::{Command, Input};
use cutwater_host::socket::client::{SendError, send};
use cutwater_host::socket::server::{Roles, Server};
use cutwater_host::socket::words::{Reply, Request, path, receive};
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

fn roles() -> Roles {
    Arc::new(|peer| if peer.uid == 0 { vec!["dba".into()] } else { vec![] })
}

/// A loop that says which command it got, and refuses to abort.
fn answering(inbox: Receiver<Input>) -> std::thread::JoinHandle<Vec<Command>> {
    std::thread::spawn(move || {
        let mut seen = Vec::new();
        for input in inbox {
            let Input::Command(command, reply) = input else { continue };
            let answer = match &command {
                Command::Abort { .. } => Err("the mark is crossed".to_owned()),
                other => Ok(format!("{other:?}")),
            };
            reply.send(answer).unwrap();
            seen.push(command);
        }
        seen
    })
}

#[test]
fn what_a_person_asks_reaches_the_loop_with_name_and_roles_and_its_answer_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (sender, inbox) = channel();
    let server = Server::listen(folder.path(), &"r1".into(), roles(), sender).unwrap();
    let loop_of_run = answering(inbox);
    let approve = Request::Approve { step: Some("agree".into()), plan: "abc".into() };
    send(folder.path(), "r1", &approve).unwrap();
    assert!(send(folder.path(), "r1", &Request::Ping).unwrap().contains("owns run r1"));
    let refused = send(folder.path(), "r1", &Request::Abort).unwrap_err();
    assert!(matches!(refused, SendError::Refused(why) if why == "the mark is crossed"));
    drop(server);
    let missing = send(folder.path(), "r1", &Request::Ping).unwrap_err();
    assert!(matches!(missing, SendError::NoOwner(_)));
    assert!(!path(folder.path(), "r1").exists());
    let seen = loop_of_run.join().unwrap();
    assert_eq!(
        seen,
        [
            Command::Approve {
                step: Some("agree".into()),
                by: "root".into(),
                roles: vec!["dba".into()],
                plan: "abc".into()
            },
            Command::Abort { by: "root".into() }
        ]
    );
}

#[test]
fn a_dead_owner_s_socket_is_no_owner_and_the_next_owner_replaces_it() {
    let folder = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(path(folder.path(), "r1")).unwrap());
    let dead = send(folder.path(), "r1", &Request::Ping).unwrap_err();
    assert!(matches!(dead, SendError::NoOwner(_)));
    let (sender, _inbox) = channel();
    let older = Server::listen(folder.path(), &"r1".into(), roles(), sender.clone()).unwrap();
    let newer = Server::listen(folder.path(), &"r1".into(), roles(), sender).unwrap();
    drop(older);
    assert!(send(folder.path(), "r1", &Request::Ping).is_ok());
    drop(newer);
}

#[test]
fn what_is_no_request_is_refused_and_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let (sender, inbox) = channel();
    let _server = Server::listen(folder.path(), &"r1".into(), roles(), sender).unwrap();
    let said = |bytes: &[u8]| -> Reply {
        let mut stream = UnixStream::connect(path(folder.path(), "r1")).unwrap();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        receive(&stream).unwrap()
    };
    for wrong in
        ["{\"ask\":\"fly\"}\n", "{\"ask\":\"pause\",\"more\":1}\n", "[[[[\n", "{\"ask\":\"ping\"}", ""]
    {
        assert!(matches!(said(wrong.as_bytes()), Reply::Refused(_)), "{wrong}");
    }
    assert!(inbox.try_recv().is_err());
}

#[test]
fn a_user_without_a_role_steers_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (sender, inbox) = channel();
    let _server = Server::listen(folder.path(), &"r1".into(), roles(), sender).unwrap();
    let nobody = cutwater_host::users::find("nobody").unwrap();
    let at = path(folder.path(), "r1").display().to_string();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let socket = cutwater_host::capability::connect::dial::unix(&at, Some(nobody), &stop).unwrap();
    rustix::io::ioctl_fionbio(&socket, false).unwrap();
    let mut stream = UnixStream::from(socket);
    stream.write_all(b"{\"ask\":\"abort\"}\n").unwrap();
    let Reply::Refused(why) = receive(&stream).unwrap() else { panic!("not refused") };
    assert!(why.contains("nobody") && why.contains("operator"), "{why}");
    assert!(inbox.try_recv().is_err());
}
