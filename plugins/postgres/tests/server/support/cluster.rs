//! A throw-away PostgreSQL 15 in a folder of its own, ended when dropped. It must not know the plugin.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Where Debian keeps the server's programs.
pub const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// One cluster.
pub struct Cluster {
    folder: TempDir,
    /// The user of the system that it runs as, and its first role.
    pub user: String,
    /// Its TCP port on 127.0.0.1.
    pub port: u16,
    data: PathBuf,
}

impl Cluster {
    /// Makes and starts one.
    pub fn new() -> Self {
        let root = own_user() == "root";
        let user = if root { "postgres".to_owned() } else { own_user() };
        let folder = tempfile::Builder::new().prefix("cw-pg").tempdir_in("/tmp").unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self { data: folder.path().join("data"), folder, user, port };
        if root {
            ok(Command::new("chown").args([&cluster.user]).arg(cluster.folder.path()));
        }
        let data = cluster.data.to_str().unwrap().to_owned();
        cluster.run("initdb", &["-D", &data, "-U", &cluster.user, "-A", "trust", "--no-sync"]);
        cluster.certificate();
        let user = &cluster.user;
        std::fs::write(
            cluster.hba(),
            format!("local all,replication {user} peer\nlocal all all trust\nhost all,replication all 127.0.0.1/32 scram-sha-256\n"),
        )
        .unwrap();
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{0}'\nfsync = off\nssl = on\n\
             ssl_cert_file = '{0}/server.crt'\nssl_key_file = '{0}/server.key'\n",
            cluster.folder.path().display()
        );
        let mut conf = std::fs::read_to_string(cluster.data.join("postgresql.conf")).unwrap();
        conf.push_str(&settings);
        std::fs::write(cluster.data.join("postgresql.conf"), conf).unwrap();
        cluster.script();
        ok(Command::new(cluster.control()).arg("start"));
        cluster.psql("create table ledger(n int primary key)");
        cluster.psql("create role app login");
        cluster.psql("create role far login superuser password 'geheim'");
        cluster
    }

    /// Where everything of it is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The unix socket.
    pub fn socket(&self) -> String {
        format!("{}/.s.PGSQL.{}", self.folder.path().display(), self.port)
    }

    /// pg_hba.conf.
    pub fn hba(&self) -> PathBuf {
        self.data.join("pg_hba.conf")
    }

    /// The program that starts, stops and tells.
    pub fn control(&self) -> PathBuf {
        self.folder.path().join("control")
    }

    /// The server's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("server.crt")
    }

    /// What the first role's statement gives.
    pub fn psql(&self, text: &str) -> String {
        self.psql_in("postgres", text)
    }

    /// What the first role's statement gives in another database.
    pub fn psql_in(&self, database: &str, text: &str) -> String {
        let output = self.client(&self.user, text).args(["-d", database]).output().unwrap();
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A client of its own, in that role.
    pub fn client(&self, role: &str, text: &str) -> Command {
        let mut command = self.as_user("/usr/bin/psql");
        command.args(["-XAtq", "-h"]).arg(self.folder.path());
        command.args(["-p", &self.port.to_string(), "-U", role, "-d", "postgres", "-c", text]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A client that stays until it is ended, connected when this returns.
    pub fn sleeper(&self, role: &str) -> Child {
        let child = self.client(role, "select pg_sleep(600)").spawn().unwrap();
        let count = format!(
            "select count(*) from pg_stat_activity where usename = '{role}' and query like '%pg_sleep%'"
        );
        while self.psql(&count) == "0" {
            std::thread::yield_now();
        }
        child
    }

    /// One of the server's programs, as its user, and where the server is.
    pub fn run_there(&self, program: &str, args: &[&str]) {
        let (folder, port) = (self.folder.path().to_string_lossy(), self.port.to_string());
        self.run(program, &[&["-h", &folder, "-p", &port, "-U", &self.user], args].concat());
    }

    /// One of the server's programs, as its user.
    pub fn run(&self, program: &str, args: &[&str]) {
        ok(self.as_user(&format!("{PROGRAMS}/{program}")).args(args));
    }

    /// A program, as the server's user.
    pub fn as_user(&self, program: &str) -> Command {
        if own_user() != "root" {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &self.user, "--regid", &self.user, "--init-groups", program]);
        command
    }

    fn certificate(&self) {
        let folder = self.folder.path();
        let mut make = self.as_user("openssl");
        make.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]);
        make.args([
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]);
        ok(make.arg("-keyout").arg(folder.join("server.key")).arg("-out").arg(folder.join("server.crt")));
    }

    /// What a policy would declare: one program that starts, stops and tells.
    fn script(&self) {
        let (data, log) = (self.data.display(), self.folder.path().join("log"));
        let become_user = match own_user() == "root" {
            true => format!("setpriv --reuid {0} --regid {0} --init-groups ", self.user),
            false => String::new(),
        };
        let text = format!(
            "#!/bin/sh\ncase $1 in\nstart) set -- start -w -l {} ;;\nstop) set -- stop -w -m fast ;;\nesac\n\
             exec {become_user}{PROGRAMS}/pg_ctl -s -D {data} \"$@\" </dev/null >/dev/null 2>&1\n",
            log.display()
        );
        std::fs::write(self.control(), text).unwrap();
        ok(Command::new("chmod").arg("755").arg(self.control()));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.data.to_string_lossy().into_owned();
        let mut stop = self.as_user(&format!("{PROGRAMS}/pg_ctl"));
        let _ = stop.args(["-D", &data, "-s", "-w", "-m", "immediate", "stop"]).output();
    }
}

fn own_user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Runs it to its end and sees that it went well.
pub fn ok(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let words =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?}: {words}");
}
