//! A real stream to a server, which hears every statement and lets only planned ones through. It must not know the plugin.

use super::machine::Plan;
use cutwater_sdk::host::Stream;
use cutwater_sdk::{Effect, Fault, Value, json};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A socket, in plain or in TLS.
pub enum Wire {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Gone,
}

impl Wire {
    /// A unix socket, by a thread that is that user for the moment of connecting.
    pub fn unix(path: &str, user: Option<&str>) -> std::io::Result<Self> {
        let (path, user) = (path.to_owned(), user.map(str::to_owned));
        let connected = std::thread::spawn(move || {
            if let Some(user) = user {
                become_user(&user);
            }
            UnixStream::connect(path)
        });
        Ok(Self::Unix(connected.join().unwrap()?))
    }

    pub fn tcp(host: &str, port: u16) -> std::io::Result<Self> {
        Ok(Self::Tcp(TcpStream::connect((host, port))?))
    }

    fn io(&mut self) -> &mut dyn ReadWrite {
        match self {
            Self::Unix(stream) => stream,
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => stream.as_mut(),
            Self::Gone => unreachable!("only while TLS starts"),
        }
    }

    fn patience(&self, wait: Duration) -> std::io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(Some(wait)),
            Self::Tcp(stream) => stream.set_read_timeout(Some(wait)),
            Self::Tls(stream) => stream.sock.set_read_timeout(Some(wait)),
            Self::Gone => Ok(()),
        }
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// The raw calls change this thread alone; the library's would change all.
fn become_user(user: &str) {
    let id = |flag: &str| {
        let output = std::process::Command::new("id").args([flag, user]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<libc::c_long>().unwrap()
    };
    let (uid, gid) = (id("-u"), id("-g"));
    // SAFETY: both calls take numbers only, and concern this thread, which ends right after.
    let done = unsafe {
        libc::syscall(libc::SYS_setresgid, gid, gid, gid) == 0
            && libc::syscall(libc::SYS_setresuid, uid, uid, uid) == 0
    };
    assert!(done, "cannot become {user}");
}

/// The stream as the plugin has it.
pub struct Framed {
    wire: Wire,
    address: Value,
    authority: PathBuf,
    plan: Plan,
    talking: bool,
}

impl Framed {
    pub fn new(wire: Wire, address: Value, authority: PathBuf, plan: Plan) -> Self {
        Self { wire, address, authority, plan, talking: false }
    }

    fn admit(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        if !self.talking {
            self.talking = bytes.len() > 8;
            return Ok(());
        }
        while let [kind, a, b, c, d, ..] = *bytes {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            let texts: Vec<&[u8]> = bytes[5..1 + length].split(|&byte| byte == 0).collect();
            match kind {
                b'Q' => self.planned(texts[0])?,
                b'P' => self.planned(texts[1])?,
                _ => {}
            }
            bytes = &bytes[1 + length..];
        }
        Ok(())
    }

    fn planned(&self, text: &[u8]) -> Result<(), Fault> {
        let text = json!(std::str::from_utf8(text).unwrap());
        let shown = |effect: &Effect| {
            effect.kind == "sql" && effect.detail["text"] == text && effect.detail["address"] == self.address
        };
        match self.plan.borrow().iter().any(shown) {
            true => Ok(()),
            false => Err(Fault::new("denied", format!("not in the plan: {text}"))),
        }
    }
}

fn io(error: std::io::Error) -> Fault {
    let waited = matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
    Fault::new(if waited { "timed-out" } else { "io" }, error.to_string())
}

impl Stream for Framed {
    fn id(&self) -> u32 {
        7
    }
    fn read(&mut self, max: u32, wait_ms: u32) -> Result<Vec<u8>, Fault> {
        self.wire.patience(Duration::from_millis(u64::from(wait_ms))).map_err(io)?;
        let mut bytes = vec![0; max as usize];
        let count = loop {
            match self.wire.io().read(&mut bytes) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read.map_err(io)?,
            }
        };
        bytes.truncate(count);
        Ok(bytes)
    }
    fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.admit(bytes)?;
        self.wire.io().write_all(bytes).and_then(|()| self.wire.io().flush()).map_err(io)
    }
    fn start_tls(&mut self, server_name: &str) -> Result<Vec<u8>, Fault> {
        let Wire::Tcp(socket) = std::mem::replace(&mut self.wire, Wire::Gone) else {
            panic!("TLS over TCP only")
        };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.authority).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(server_name.to_owned()).unwrap();
        let mut tls = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock).map_err(io)?;
        }
        let certificate = tls.conn.peer_certificates().unwrap()[0].to_vec();
        self.wire = Wire::Tls(Box::new(tls));
        Ok(certificate)
    }
}
