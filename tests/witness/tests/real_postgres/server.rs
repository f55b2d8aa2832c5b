//! A throw-away PostgreSQL: made by initdb in a folder of its own, reached through a unix socket
//! only, stopped by its process id when dropped.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const BINARIES: &str = "/usr/lib/postgresql/15/bin";

pub struct Server {
    folder: TempDir,
    owner: Option<(u32, u32)>,
    child: Option<Child>,
}

impl Server {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("witness-").tempdir_in("/tmp").unwrap();
        // PostgreSQL refuses to run as root.
        let owner = rustix::process::geteuid().is_root().then(postgres_user);
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let mut server = Self { folder, owner, child: None };
        let output = server
            .command("initdb")
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--pgdata"])
            .arg(server.data())
            .output()
            .unwrap();
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        server.start();
        server
            .client()
            .batch_execute("create table ledger(client int, n bigint, primary key(client, n))")
            .unwrap();
        server
    }

    pub fn start(&mut self) {
        let child = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-c", "listen_addresses=", "-c", "unix_socket_directories=.", "-c", "shared_buffers=8MB"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.config().connect(NoTls).is_err() {
            assert!(Instant::now() < deadline, "the server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A fast shutdown, waited for.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            kill_process(pid, Signal::INT).unwrap();
            child.wait().unwrap();
        }
    }

    pub fn dsn(&self) -> String {
        format!("host={} user=postgres dbname=postgres", self.data().display())
    }

    pub fn config(&self) -> Config {
        self.dsn().parse().unwrap()
    }

    pub fn client(&self) -> Client {
        self.config().connect(NoTls).unwrap()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(format!("{BINARIES}/{program}"));
        command.current_dir(self.folder.path()).env("LC_ALL", "C");
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn postgres_user() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:")).unwrap();
    let mut ids = line.split(':').skip(2).map(|field| field.parse().unwrap());
    (ids.next().unwrap(), ids.next().unwrap())
}
