//! A repository, a tree to back up and a tree to restore into, and a host that runs the real restic and find on them.

pub mod harm;

use cutwater_plugin_restic::Plugin;
use cutwater_sdk::call::Reply;
use cutwater_sdk::fake::{Host, Output};
use cutwater_sdk::{Command, Context, Effect, Partial, Plugin as _, Probed, Story, Value, json};
use std::cell::Cell;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::rc::Rc;

pub const PASSWORD: &str = "correct-horse-battery";
const NOBODY: u32 = 65534;

pub struct Place {
    folder: tempfile::TempDir,
    source: String,
    host: Host,
    drop_rights: Rc<Cell<bool>>,
}

fn real(command: &Command, drop_rights: bool) -> Output {
    let mut line = match drop_rights {
        true => {
            let mut line = std::process::Command::new("setpriv");
            line.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", &command.program]);
            line
        }
        false => std::process::Command::new(&command.program),
    };
    line.args(&command.args).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
    let mut child = line.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&command.stdin).unwrap();
    let told = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Output { status: told.status.code().unwrap_or(-1), stdout: text(told.stdout), stderr: text(told.stderr) }
}

/// Things of each kind, odd names, and times that are not of today.
fn fill(source: &Path) {
    std::fs::create_dir_all(source.join("deep/er")).unwrap();
    let write = |name: &str, content: &[u8]| std::fs::write(source.join(name), content).unwrap();
    write("changed", b"before");
    write("deep/er/removed", b"here");
    write("odd \n*[name]\u{e4}", b"odd");
    write("empty", b"");
    write("tool", b"#!\n");
    // Not to be compressed, and more than one piece.
    let noise: Vec<u8> =
        (0u64..375_000).flat_map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes()).collect();
    write("large", &noise);
    std::fs::set_permissions(source.join("tool"), PermissionsExt::from_mode(0o4755)).unwrap();
    std::fs::set_permissions(source.join("deep"), PermissionsExt::from_mode(0o1770)).unwrap();
    symlink("changed", source.join("link")).unwrap();
    symlink("/nonexistent", source.join("dangling")).unwrap();
    std::fs::hard_link(source.join("changed"), source.join("second name")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(source.join("fifo")).status().unwrap();
    assert!(made.success());
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(951_868_799, 123_456_789);
    std::fs::File::open(source.join("changed")).unwrap().set_modified(old).unwrap();
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let source = path.join("srv/source");
        fill(&source);
        let source = source.display().to_string();
        let target = path.join("copy").join(&source[1..]);
        std::fs::create_dir_all(&target).unwrap();
        let drop_rights = Rc::new(Cell::new(false));
        let (of_restic, fs) = (Rc::clone(&drop_rights), "ext4");
        let host = Host::new()
            .program("restic", move |_, command| real(command, of_restic.get()))
            .program("find", |_, command| real(command, false))
            .device("/dev/vg00/source", "")
            .device("/dev/vg00/target", "")
            .device("/dev/vg00/other", "")
            .mount("/dev/mapper/vg00-source", &source, fs)
            .mount("/dev/mapper/vg00-target", target.to_str().unwrap(), fs);
        let mounted = |device: &str, at: &str| {
            host.devices.borrow_mut().get_mut(device).unwrap().mounts.push(at.to_owned());
        };
        mounted("/dev/vg00/source", &source);
        mounted("/dev/vg00/target", target.to_str().unwrap());
        let secrets =
            [("backup", PASSWORD), ("other", "mistaken"), ("short", "abc"), ("two-lines", "ab\ncdef")];
        let secrets = secrets.map(|(name, value)| (name.to_owned(), value.to_owned()));
        host.secrets.borrow_mut().extend(secrets);
        let place = Self { folder, source, host, drop_rights };
        place.restic(&["init"]);
        place
    }

    /// From here on restic runs as nobody, to whom all of it belongs.
    pub fn unprivileged(self) -> Self {
        let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        if root {
            let owner = format!("{NOBODY}:{NOBODY}");
            let mut chown = std::process::Command::new("chown");
            assert!(chown.args(["-hR", &owner]).arg(self.folder.path()).status().unwrap().success());
            self.drop_rights.set(true);
        }
        self
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    pub fn target(&self) -> PathBuf {
        self.folder().join("copy").join(&self.source[1..])
    }

    fn repository(&self) -> String {
        self.folder().join("repository").display().to_string()
    }

    fn base(&self) -> Value {
        json!({ "repository": self.repository(), "password": "backup" })
    }

    pub fn backup(&self) -> Value {
        let mut input = self.base();
        input["device"] = json!("/dev/vg00/source");
        input["at"] = json!(self.source);
        input
    }

    /// Also what `compare` takes.
    pub fn restore(&self, id: &str) -> Value {
        let mut input = self.base();
        input["device"] = json!("/dev/vg00/target");
        input["at"] = json!(self.target());
        input["id"] = json!(id);
        input
    }

    pub fn check(&self, id: &str) -> Value {
        let mut input = self.base();
        input["id"] = json!(id);
        input
    }

    pub fn apply(&self, action: &str, input: Value) -> Reply {
        Plugin::apply(&Context::over(&self.host, action), input, None)
    }

    pub fn apply_while_planning(&self, action: &str, input: Value) -> Reply {
        let mut ctx = Context::over(&self.host, action);
        ctx.run = "\u{e000}run\u{e001}".into();
        Plugin::apply(&ctx, input, None)
    }

    pub fn undo(&self, action: &str, input: Value, story: &Story) -> Reply {
        Plugin::undo(&Context::over(&self.host, action), input, story)
    }

    pub fn probe(&self, action: &str, input: Value, story: &Story) -> Probed<Value> {
        Plugin::probe(&Context::over(&self.host, action), input, story)
    }

    pub fn shown(&self, action: &str, input: &Value, undo: bool) -> Vec<Effect> {
        let before = self.changes();
        let shown = Plugin::preview(&Context::over(&self.host, action), &Partial::known(input.clone()), undo)
            .unwrap();
        assert_eq!(self.changes(), before, "a preview changes nothing");
        shown.effects
    }

    /// Whether the line that ran is the shown one; in the place of a hole stands one word.
    pub fn admits(&self, effect: &Effect, ran: &str) -> bool {
        let args: Vec<String> = serde_json::from_value(effect.detail["args"].clone()).unwrap();
        let shown = format!("{} {}", effect.detail["program"].as_str().unwrap(), args.join(" "));
        match shown.split_once("\u{e000}~\u{e001}") {
            Some((before, "")) => ran.strip_prefix(before).is_some_and(|rest| !rest.contains(' ')),
            _ => ran == shown,
        }
    }

    pub fn changes(&self) -> Vec<String> {
        let runs = self.host.changes().into_iter();
        runs.filter_map(|call| call.strip_prefix("run ").map(str::to_owned)).skip(self.skipped()).collect()
    }

    pub fn forget_calls(&self) {
        let count = self.host.changes().iter().filter(|call| call.starts_with("run ")).count();
        self.host.time.set(count as u64);
    }

    /// How many of the calls are forgotten; the steps ask for no time, so it is kept there.
    fn skipped(&self) -> usize {
        usize::try_from(self.host.time.get()).unwrap()
    }

    pub fn all_calls(&self) -> String {
        self.host.calls().join("\n")
    }

    pub fn words(&self) -> String {
        self.host.words.borrow().join("\n")
    }

    pub fn fault(&self, call: &str, code: &str) {
        self.host.fault(call, code);
    }

    pub fn unmount(&self) {
        self.host.mounts.borrow_mut().clear();
    }

    pub fn mounted_read_only(&self) {
        for mount in self.host.mounts.borrow_mut().iter_mut() {
            mount.options = "ro,relatime".into();
        }
    }

    /// restic as somebody else would call it: what it says.
    pub fn restic(&self, args: &[&str]) -> String {
        let told = self.by_hand(args).stdin(Stdio::null()).output().unwrap();
        assert!(told.status.success(), "{args:?}: {}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8(told.stdout).unwrap()
    }

    fn by_hand(&self, args: &[&str]) -> std::process::Command {
        let mut restic = std::process::Command::new("restic");
        restic.args(args).args(["--repo", &self.repository(), "--no-cache"]).env("RESTIC_PASSWORD", PASSWORD);
        restic
    }

    /// A restic that holds a lock until it is killed: it waits for its input.
    pub fn locking(&self) -> Child {
        let mut restic = self.by_hand(&["backup", "--stdin"]);
        let child = restic.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while self.locks() == 0 {
            std::thread::yield_now();
        }
        child
    }

    /// Whole ones: restic makes a file under another name first.
    pub fn locks(&self) -> usize {
        let files = std::fs::read_dir(Path::new(&self.repository()).join("locks")).unwrap();
        files.filter(|file| file.as_ref().unwrap().file_name().len() == 64).count()
    }

    pub fn ids(&self, tag: &str) -> Vec<String> {
        // No tag: all of them.
        let tag: &[&str] = if tag.is_empty() { &[] } else { &["--tag", tag] };
        let told = self.restic(&[&["snapshots", "--json", "--no-lock"], tag].concat());
        let list: Value = serde_json::from_str(told.trim()).unwrap();
        list.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    }

    /// One byte in the middle of the largest pack becomes another.
    pub fn damage(&self) {
        let data = Path::new(&self.repository()).join("data");
        let folders = std::fs::read_dir(data).unwrap().map(|folder| folder.unwrap().path());
        let packs =
            folders.flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|pack| pack.unwrap().path());
        let pack = packs.max_by_key(|pack| std::fs::metadata(pack).unwrap().len()).unwrap();
        let mut bytes = std::fs::read(&pack).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::set_permissions(&pack, PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::write(&pack, bytes).unwrap();
    }
}

/// A tree as `find` and `sha256sum` see it, with links' targets and numbers of names.
pub fn listing(root: &Path) -> String {
    let script = r"find . -printf '%P %y %m %U %G %T@ %l %n ' \( -type f -exec sha256sum {} \; -o -printf '\n' \) | sort";
    let told = std::process::Command::new("sh").args(["-c", script]).current_dir(root).output().unwrap();
    // A name with a line break takes two lines.
    String::from_utf8(told.stdout).unwrap().replace("odd \n", "odd ")
}
