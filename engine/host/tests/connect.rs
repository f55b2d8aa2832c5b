//! Streams to a real PostgreSQL: as a user over its unix socket, and in TLS over TCP.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use cutwater_core::grant::Address;
use cutwater_driver::ports::{CallId, Report};
use cutwater_host::capability::connect::stream::{Place, Stream};
use cutwater_host::capability::connect::streams::Streams;
use cutwater_host::capability::secret::redact::Redactor;
use cutwater_host::fault::Fault;
use cutwater_host::used::Uses;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

static GOES_ON: AtomicBool = AtomicBool::new(false);
const WAIT: Duration = Duration::from_secs(20);

/// A server of the test's own, in TLS too, ended with the test.
struct Server {
    folder: tempfile::TempDir,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder, port };
        let data = server.path("data");
        let script = format!(
            "cd / && {bin}/initdb -D {data} -A peer --no-sync -U postgres >/dev/null &&
             cp {at}/server.* {data}/ && chmod 600 {data}/server.key &&
             printf 'local all all peer\\nhostssl all all 127.0.0.1/32 trust\\n' > {data}/pg_hba.conf &&
             {bin}/pg_ctl -D {data} -l {data}/log -w start -o \"-k {at} -p {port} -c ssl=on -c fsync=off\"",
            bin = bin().display(),
            data = data.display(),
            at = server.folder.path().display(),
        );
        server.certificates();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(server.folder.path(), mode).unwrap();
        as_postgres(&script);
        server
    }

    fn certificates(&self) {
        let at = self.folder.path().display();
        let script = format!(
            "cd {at} && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem &&
             openssl req -newkey rsa:2048 -nodes -subj /CN=db.test -keyout server.key -out server.csr &&
             printf 'subjectAltName=DNS:db.test\\nbasicConstraints=CA:FALSE\\n' > ext &&
             openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out server.crt &&
             openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other -keyout o.key -out other.pem &&
             chmod 644 server.key"
        );
        let done = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status().unwrap();
        assert!(done.success());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn unix(&self) -> (Value, Address) {
        let unix = self.path(&format!(".s.PGSQL.{}", self.port)).display().to_string();
        let address = json!({ "unix": unix, "as": "postgres" });
        (address.clone(), serde_json::from_value(address).unwrap())
    }

    fn tcp(&self, ca: &str, name: Option<&str>) -> (Value, Address) {
        let address = json!({ "host": "127.0.0.1", "port": self.port, "tls": {} });
        let mut grant = address.clone();
        grant["tls"] = json!({ "ca": self.path(ca).display().to_string(), "name": name });
        (address, serde_json::from_value(grant).unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        as_postgres(&format!(
            "{}/pg_ctl -D {} -m immediate stop",
            bin().display(),
            self.path("data").display()
        ));
    }
}

fn bin() -> PathBuf {
    let mut versions: Vec<_> =
        std::fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path()).collect();
    versions.sort();
    versions.pop().unwrap().join("bin")
}

fn as_postgres(script: &str) {
    let done = Command::new("runuser")
        .args(["-u", "postgres", "--", "sh", "-c", script])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success());
}

struct Call {
    streams: Streams,
    uses: Uses,
    reports: Receiver<Report>,
}

impl Call {
    fn new() -> Self {
        let (sender, reports) = channel();
        let uses = Uses::new(CallId(1), sender, Redactor::default());
        Self { streams: Streams::default(), uses, reports }
    }

    fn open(&self, (address, grant): &(Value, Address)) -> Result<Stream, Fault> {
        let place = Place { streams: &self.streams, uses: &self.uses, stop: &GOES_ON };
        Stream::open(address, grant, true, &place)
    }

    fn told(&self) -> Vec<Value> {
        let used = |report| match report {
            Report::Used { what, .. } => what,
            other => panic!("{other:?}"),
        };
        self.reports.try_iter().map(used).collect()
    }
}

fn message(kind: &[u8], body: &[u8]) -> Vec<u8> {
    [kind, &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

fn startup() -> Vec<u8> {
    message(b"", &[&196_608_u32.to_be_bytes()[..], b"user\0postgres\0database\0postgres\0\0"].concat())
}

/// Everything up to the server's being ready for the next query.
fn until_ready(stream: &mut Stream) -> String {
    let mut said = Vec::new();
    while !said.ends_with(b"Z\0\0\0\x05I") {
        let more = stream.read(4096, WAIT, &GOES_ON).unwrap();
        assert!(!more.is_empty(), "{}", String::from_utf8_lossy(&said));
        said.extend(more);
    }
    String::from_utf8_lossy(&said).into_owned()
}

fn send(stream: &mut Stream, bytes: &[u8], admitted: &str) -> Result<(), Fault> {
    let mut admit = |text: &str| {
        if text == admitted { Ok(()) } else { Err(Fault::denied(format!("`{text}` is not in the plan"))) }
    };
    stream.write(bytes, &mut admit, &GOES_ON)
}

fn query(stream: &mut Stream, text: &str) -> String {
    send(stream, &message(b"Q", format!("{text}\0").as_bytes()), text).unwrap();
    until_ready(stream)
}

fn ask_for_tls(stream: &mut Stream) {
    send(stream, &message(b"", &80_877_103_u32.to_be_bytes()), "").unwrap();
    assert_eq!(stream.read(4096, WAIT, &GOES_ON).unwrap(), b"S");
}

#[test]
fn a_plugin_speaks_as_a_granted_user_and_says_only_what_the_plan_shows() {
    let server = Server::start();
    let call = Call::new();
    let mut stream = call.open(&server.unix()).unwrap();
    send(&mut stream, &startup(), "").unwrap();
    until_ready(&mut stream);
    assert!(query(&mut stream, "select current_user").contains("postgres"));
    let other = message(b"Q", b"create table t ()\0");
    assert_eq!(send(&mut stream, &other, "select 1").unwrap_err().code, "denied");
    assert!(query(&mut stream, "select count(*) from pg_class where relname = 't'").contains("\x010"));
    // A large answer and a large statement come through whole.
    let large = format!("select repeat('x', 300000), '{}'", "y".repeat(300_000));
    let answer = query(&mut stream, &large);
    assert!(answer.contains(&"x".repeat(300_000)) && answer.contains(&"y".repeat(300_000)));
    // Nothing comes: the wait ends by its time, and at once when the call is told to stop.
    let soon = Duration::from_millis(20);
    assert_eq!(stream.read(1, soon, &GOES_ON).unwrap_err().code, "timed-out");
    assert_eq!(stream.read(1, WAIT, &AtomicBool::new(true)).unwrap_err().code, "stopping");
    call.streams.hang_up(stream.id());
    assert_eq!(stream.read(1, WAIT, &GOES_ON).unwrap(), b"");
    let id = stream.id();
    drop(stream);
    assert!(call.streams.copy(id).is_none());
    let told = call.told();
    assert_eq!((&told[0]["opened"], &told[0]["protocol"]), (&id.into(), &"postgres".into()));
    assert_eq!(told[1]["closed"], id);
    assert!(told[1]["sent"].as_u64().unwrap() > 300_000 && told[1]["received"].as_u64().unwrap() > 600_000);

    // The test runs as root: without the user's ids the server's `peer` does not know it.
    let mut own = server.unix();
    own.1 = serde_json::from_value(json!({ "unix": own.0["unix"] })).unwrap();
    let mut stream = call.open(&own).unwrap();
    send(&mut stream, &startup(), "").unwrap();
    let refusal = stream.read(4096, WAIT, &GOES_ON).unwrap();
    assert!(String::from_utf8_lossy(&refusal).contains("Peer authentication failed"));

    tls(&server, &call);
}

/// In the same server, for starting one takes a while.
fn tls(server: &Server, call: &Call) {
    let mut stream = call.open(&server.tcp("ca.pem", Some("db.test"))).unwrap();
    assert_eq!(send(&mut stream, &startup(), "").unwrap_err().code, "denied");
    ask_for_tls(&mut stream);
    assert_eq!(stream.start_tls("elsewhere", &GOES_ON).unwrap_err().code, "denied");
    let certificate = stream.start_tls("db.test", &GOES_ON).unwrap();
    assert_eq!(certificate, der(&server.path("server.crt")));
    send(&mut stream, &startup(), "").unwrap();
    until_ready(&mut stream);
    let text = "select 'in tls: ' || ssl from pg_stat_ssl where pid = pg_backend_pid()";
    assert!(query(&mut stream, text).contains("in tls: true"));
    let large = format!("select repeat('x', 300000), '{}'", "y".repeat(300_000));
    assert!(query(&mut stream, &large).contains(&"y".repeat(300_000)));

    for (ca, name) in [("other.pem", "db.test"), ("ca.pem", "127.0.0.1")] {
        let mut stream = call.open(&server.tcp(ca, Some(name))).unwrap();
        ask_for_tls(&mut stream);
        let fault = stream.start_tls(name, &GOES_ON).unwrap_err();
        assert!(fault.code == "io" && fault.message.contains("certificate"), "{ca} {name}: {fault}");
    }
}

fn der(pem: &Path) -> Vec<u8> {
    let out = Command::new("openssl").args(["x509", "-outform", "der", "-in"]).arg(pem).output().unwrap();
    out.stdout
}

#[test]
fn what_cannot_be_connected_says_why() {
    let call = Call::new();
    let open = |address: Value| {
        let grant = serde_json::from_value(address.clone()).unwrap();
        call.open(&(address, grant)).unwrap_err()
    };
    assert_eq!(open(json!({ "unix": "/run/no/such/socket" })).code, "missing");
    assert_eq!(open(json!({ "unix": "/run/x", "as": "no-such-user" })).code, "missing");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let fault = open(json!({ "host": "127.0.0.1", "port": closed }));
    assert!(fault.message.contains("127.0.0.1") && fault.message.contains("refused"), "{fault}");
}
