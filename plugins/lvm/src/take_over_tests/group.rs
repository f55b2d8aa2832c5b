//! A group on two shared disks, with LVM 2.03.16's metadata on them byte for byte, and vgchange, lvchange and lvs as they were
//! seen to treat a group with a system ID.

use cutwater_sdk::fake::{Host, Output};
use cutwater_sdk::{Command, Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

pub const A: &str = "/dev/sdb";
pub const B: &str = "/dev/sdc";
const AREA: u64 = 64 << 10;

#[derive(Debug, Clone, PartialEq)]
pub struct Lv {
    pub active: bool,
    pub skipped: bool,
    pub stuck: bool,
}

/// What the metadata says, and which volumes are active here.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    pub system_id: String,
    pub tags: Vec<String>,
    pub seqno: u64,
    pub changed: u64,
    pub by: String,
    pub lvs: BTreeMap<&'static str, Lv>,
}

pub struct World {
    pub host: Host,
    pub group: Rc<RefCell<Group>>,
    changes: Rc<RefCell<Vec<String>>>,
}

pub fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0xf597_a6cf, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

impl Group {
    fn text(&self) -> String {
        let tags = self.tags.iter().map(|tag| format!("\"{tag}\"")).collect::<Vec<_>>().join(", ");
        let pv = |name: &str, uuid: &str| {
            format!("{name} {{ id = \"{uuid}\" status = [\"ALLOCATABLE\"] pe_start = 2048 pe_count = 15 }}\n")
        };
        format!(
            "vgx {{ id = \"vg-uuid\" seqno = {} status = [\"READ\", \"WRITE\"] system_id = \"{}\" tags = [{tags}] extent_size = 8192\n\
             physical_volumes {{ {}{} }} }}\n\
             contents = \"Text Format Volume Group\" version = 1 description = \"Write from {}.\" creation_time = {}\n",
            self.seqno,
            self.system_id,
            pv("pv0", &"a".repeat(32)),
            pv("pv1", &"b".repeat(32)),
            self.by.replace('"', "\\\""),
            self.changed,
        )
    }

    fn disk(&self, uuid: char) -> Vec<u8> {
        let text = self.text();
        let mut disk = vec![0; (4096 + AREA) as usize];
        let mut put = |at: usize, bytes: &[u8]| disk[at..at + bytes.len()].copy_from_slice(bytes);
        let mut label = vec![0; 512];
        label[..8].copy_from_slice(b"LABELONE");
        label[8] = 1;
        label[20] = 32;
        label[24..32].copy_from_slice(b"LVM2 001");
        label[32..64].copy_from_slice(uuid.to_string().repeat(32).as_bytes());
        // A data area and the end of that list, the metadata area and the end of that one.
        for (at, number) in [(64, 64 << 20), (72, 1 << 20), (104, 4096), (112, AREA)] {
            label[at..at + 8].copy_from_slice(&u64::to_le_bytes(number));
        }
        let sum = crc(&label[20..]);
        label[16..20].copy_from_slice(&sum.to_le_bytes());
        put(512, &label);
        let mut header = vec![0; 512];
        header[4..20].copy_from_slice(b" LVM2 x[5A%r0N*>");
        header[20] = 1;
        for (at, number) in [(24, 4096), (32, AREA), (40, 512), (48, text.len() as u64)] {
            header[at..at + 8].copy_from_slice(&u64::to_le_bytes(number));
        }
        header[56..60].copy_from_slice(&crc(text.as_bytes()).to_le_bytes());
        put(4096 + 512, text.as_bytes());
        let sum = crc(&header[4..]);
        header[..4].copy_from_slice(&sum.to_le_bytes());
        put(4096, &header);
        disk
    }

    /// Puts the metadata onto both disks.
    pub fn commit(&self, host: &Host) {
        let mut contents = host.contents.borrow_mut();
        contents.insert(A.to_owned(), self.disk('a'));
        contents.insert(B.to_owned(), self.disk('b'));
    }

    fn lvs(&self) -> Output {
        let rows: Vec<Value> = self.lvs.iter().map(|(name, lv)| {
            let told = |yes: bool| if yes { "1" } else { "0" };
            json!({ "lv_name": name, "lv_uuid": format!("uuid-{name}"), "lv_size": "4194304", "lv_tags": "", "origin": "",
                "lv_attr": format!("-wi-{}-----", if lv.active { 'a' } else { '-' }), "chunk_size": "0", "snap_percent": "",
                "lv_snapshot_invalid": "-1", "lv_skip_activation": told(lv.skipped), "lv_autoactivation": "1",
                "lv_device_open": told(lv.active && lv.stuck), "lv_merge_failed": "-1" })
        }).collect();
        Output::ok(json!({ "report": [{ "lv": rows }] }).to_string())
    }

    /// Only devices that are named are seen, and only this host's groups unless the command line lets in another's.
    fn change(&mut self, host: &Host, command: &Command) -> Output {
        let args: Vec<&str> = command.args.iter().map(String::as_str).collect();
        let value = |option: &str| args.iter().position(|arg| *arg == option).map(|at| args[at + 1]);
        if value("--devices") != Some(&format!("{A},{B}")) {
            return Output::failed(5, "  Cannot change VG vgx while PVs are missing.");
        }
        let lets_in =
            value("--config").is_some_and(|config| config.contains(&format!("\"{}\"", self.system_id)));
        if self.system_id != "node-b" && !lets_in {
            let words = format!(
                "  Cannot access VG vgx with system ID {} with local system ID node-b.",
                self.system_id
            );
            return Output::failed(5, words);
        }
        let named = args.last().unwrap().strip_prefix("vgx/");
        let lv = named.map(|name| self.lvs.get_mut(name).unwrap());
        match (command.program.as_str(), lv, args.as_slice()) {
            ("lvchange", Some(lv), ["-ay", ..]) => lv.active = true,
            ("lvchange", Some(lv), ["-an", ..]) if lv.active && lv.stuck => {
                return Output::failed(5, "  Logical volume vgx/dat in use.");
            }
            ("lvchange", Some(lv), ["-an", ..]) => lv.active = false,
            ("vgchange", None, ["-y", "--systemid", id, ..]) if *id == self.system_id => {
                return Output::failed(5, format!("  Volume Group system ID is already \"{id}\"."));
            }
            ("vgchange", None, ["-y", "--systemid", id, ..]) => {
                self.written(|group| group.system_id = (*id).into(), command)
            }
            ("vgchange", None, ["--addtag", tag, ..]) => {
                self.written(|group| group.tags.push((*tag).into()), command)
            }
            ("vgchange", None, ["--deltag", tag, ..]) => {
                self.written(|group| group.tags.retain(|own| own != tag), command)
            }
            other => panic!("{other:?}"),
        }
        self.commit(host);
        Output::ok("")
    }

    fn written(&mut self, change: impl FnOnce(&mut Self), command: &Command) {
        change(self);
        self.seqno += 1;
        self.changed += 1;
        self.by = command.to_string();
    }
}

impl World {
    /// The changing command lines that ran.
    pub fn changes(&self) -> Vec<String> {
        self.changes.borrow().clone()
    }

    /// Whose it is, its tags, and what is active.
    pub fn state(&self) -> String {
        let group = self.group.borrow();
        let active = group.lvs.iter().filter(|(_, lv)| lv.active).map(|(name, _)| *name).collect::<Vec<_>>();
        format!("{} [{}] {}", group.system_id, group.tags.join(" "), active.join(" "))
    }

    /// Changes the world behind everybody's back.
    pub fn set(&self, change: impl FnOnce(&mut Group)) {
        let mut group = self.group.borrow_mut();
        change(&mut group);
        group.commit(&self.host);
    }

    /// What the fencing agent has left.
    pub fn proof(&self, record: &Value) {
        self.host.files.borrow_mut().insert(super::PROOF.to_owned(), record.to_string().into_bytes());
    }
}

/// `vgx` is the group of `node-a`, which changed it at 900 and was switched off at 1000; this is `node-b`, at 1030.
pub fn world() -> World {
    let lv = || Lv { active: false, skipped: false, stuck: false };
    let group = Group {
        system_id: "node-a".into(),
        tags: Vec::new(),
        seqno: 7,
        changed: 900,
        by: "lvcreate -n dat vgx".into(),
        lvs: BTreeMap::from([("dat", lv()), ("log", lv()), ("other", lv())]),
    };
    let group = Rc::new(RefCell::new(group));
    let changes = Rc::new(RefCell::new(Vec::new()));
    let mut host = Host::new()
        .device(A, "")
        .device(B, "")
        .answers("lvm systemid", [Output::ok("  system ID: node-b\n")]);
    let shared = group.clone();
    host = host.program("lvs", move |_, command| {
        assert!(command.args.iter().any(|arg| arg == "--foreign"), "{command}");
        shared.borrow().lvs()
    });
    for program in ["vgchange", "lvchange"] {
        let (shared, log) = (group.clone(), changes.clone());
        host = host.program(program, move |host, command| {
            log.borrow_mut().push(command.to_string());
            shared.borrow_mut().change(host, command)
        });
    }
    host.time.set(1_030_000);
    group.borrow().commit(&host);
    let world = World { host, group, changes };
    world.proof(&super::record());
    world
}
