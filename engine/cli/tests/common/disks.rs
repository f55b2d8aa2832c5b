//! Groups that LVM's own tools make on loop devices; nothing is activated, so no device mapper is needed. Needs root.

use super::Place;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

/// Two loop devices of 64 MiB, and LVM's tools that see nothing else.
pub struct Disks {
    pub place: Place,
    pub devices: Vec<String>,
}

impl Disks {
    pub fn new() -> Self {
        let place = Place::new();
        let devices = ["a", "b"].map(|name| {
            std::fs::File::create(place.path(name)).unwrap().set_len(64 << 20).unwrap();
            place.device(name)
        });
        std::fs::create_dir(place.path("lvm")).unwrap();
        let only = devices.iter().map(|device| format!("\"a|^{device}$|\",")).collect::<String>();
        place.file(
            "lvm/lvm.conf",
            format!(
                "devices {{ filter=[{only} \"r|.*|\"] use_devicesfile=0 obtain_device_list_from_udev=0 }}
                 activation {{ udev_sync=0 udev_rules=0 monitoring=0 }}\nglobal {{ use_lvmpolld=0 }}\n"
            ),
        );
        Self { place, devices: devices.to_vec() }
    }

    pub fn lvm(&self, line: &str) -> String {
        self.tools().lvm(line)
    }

    /// LVM's tools alone, for another thread.
    pub fn tools(&self) -> Tools {
        Tools { system: self.place.path("lvm") }
    }

    /// A group on both, with a volume `dat` of 20 extents over both disks: written into the metadata, as nothing can be
    /// activated here.
    pub fn group(&self) {
        self.lvm(&format!("vgcreate -q vgx {} {}", self.devices[0], self.devices[1]));
        let file = self.place.path("backup");
        self.lvm(&format!("vgcfgbackup -q -f {} vgx", file.display()));
        let text = std::fs::read_to_string(&file).unwrap();
        let volume = r#"
    logical_volumes {
        dat {
            id = "abcdef-abcd-abcd-abcd-abcd-abcd-abcdef"
            status = ["READ", "WRITE", "VISIBLE"]
            flags = []
            segment_count = 2
            segment1 { start_extent = 0
                extent_count = 15
                type = "striped"
                stripe_count = 1
                stripes = ["pv0", 0] }
            segment2 { start_extent = 15
                extent_count = 5
                type = "striped"
                stripe_count = 1
                stripes = ["pv1", 0] }
        }
    }
}
"#;
        let end = text.rfind('}').unwrap();
        std::fs::write(&file, format!("{}{volume}{}", &text[..end], &text[end + 1..])).unwrap();
        self.lvm(&format!("vgcfgrestore -q -f {} vgx", file.display()));
        let sizes = self.lvm("lvs --noheadings --units b --nosuffix -o lv_name,lv_size vgx");
        assert_eq!(sizes.split_whitespace().collect::<Vec<_>>(), ["dat", "83886080"]);
    }

    /// Whether the committed text passes the end of the first disk's ring.
    pub fn is_wrapped(&self) -> bool {
        let mut header = [0; 512];
        std::fs::File::open(&self.devices[0]).unwrap().read_exact_at(&mut header, 4096).unwrap();
        let number = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap());
        number(40) + number(48) > number(32)
    }
}

/// LVM's tools that see these disks and nothing else.
pub struct Tools {
    system: PathBuf,
}

impl Tools {
    pub fn lvm(&self, line: &str) -> String {
        let mut words = line.split(' ');
        let output = Command::new(words.next().unwrap())
            .args(words)
            .env("LVM_SYSTEM_DIR", &self.system)
            .env("LVM_SUPPRESS_FD_WARNINGS", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
