//! The verbs on image files: what is moved, and what is refused before the first byte. What needs a real device mapper
//! is tested in the lab.

use super::error::BlockError;
use super::facts::{self, Base};
use super::request::{Compare, Copied, Copy, Erase, Resync};
use super::transfer::Watch;
use super::verbs;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// Bytes that differ from place to place, and from seed to seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let words = (0..len.div_ceil(8)).flat_map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state ^ state >> 29).to_le_bytes()
    });
    words.take(len).collect()
}

fn quiet() -> Watch<'static> {
    Watch { stop: &|| false, progress: &|_, _| {}, loses_a_piece: false }
}

fn request<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn copy(value: Value) -> Result<Copied, BlockError> {
    verbs::copy(&request::<Copy>(value), quiet())
}

fn equal(a: &Path, b: &Path) -> bool {
    verbs::compare(&request::<Compare>(json!({ "a": a, "b": b })), quiet()).unwrap().equal
}

fn facts_of(path: &Path) -> Value {
    facts::facts(path).unwrap()
}

#[test]
fn a_copy_is_the_source_and_leaves_a_larger_targets_rest_alone() {
    let folder = Folder::new();
    for length in [5 * MIB, 5 * MIB + 4096, 3 * MIB + 777, 100] {
        let source = noise(1, length);
        let a = folder.file("a", &source);
        let b = folder.file("b", &vec![0; 8 * MIB]);
        let copied = copy(json!({ "from": a, "to": b })).unwrap();
        assert_eq!((copied.bytes, copied.size, copied.next), (length as u64, length as u64, None));
        let target = fs::read(&b).unwrap();
        assert!(target[..length] == source[..] && target[length..].iter().all(|&byte| byte == 0), "{length}");
        assert!(equal(&a, &b));
    }
}

#[test]
fn a_target_that_is_too_small_is_refused_with_the_figures() {
    let folder = Folder::new();
    let a = folder.file("a", &noise(1, 3 * MIB));
    let b = folder.file("b", &vec![0; 2 * MIB]);
    let error = copy(json!({ "from": a, "to": b })).unwrap_err();
    assert_eq!(error.code(), "too-small");
    assert!(error.to_string().contains("extend it by 1048576 bytes"), "{error}");
}

#[test]
fn a_target_that_carries_anything_is_refused_and_untouched_unless_it_is_named() {
    let folder = Folder::new();
    let a = folder.file("a", &noise(1, 3 * MIB));
    let end = 4 * MIB;
    let signs: [(&str, usize, &[u8]); 9] = [
        ("xfs", 0, b"XFSB"),
        ("ext", 1080, &[0x53, 0xef]),
        ("btrfs", 65600, b"_BHRfS_M"),
        ("LVM2_member", 512, b"LABELONE"),
        ("swap", 4086, b"SWAPSPACE2"),
        ("crypto_LUKS", 0, b"LUKS\xba\xbe"),
        ("dos", 510, &[0x55, 0xaa]),
        ("gpt", end - 512, b"EFI PART"),
        ("linux_raid_member", end - 8192, &[0xfc, 0x4e, 0x2b, 0xa9]),
    ];
    for (kind, at, magic) in signs {
        let mut target = vec![0; end];
        target[at..at + magic.len()].copy_from_slice(magic);
        let b = folder.file("b", &target);
        let error = copy(json!({ "from": a, "to": b })).unwrap_err();
        assert_eq!(error.code(), "carries-data", "{kind}");
        assert!(error.to_string().contains(&format!("{kind} at byte {at}")), "{error}");
        assert!(fs::read(&b).unwrap() == target, "{kind} is untouched");

        let wrong = copy(json!({ "from": a, "to": b, "replaces": "dm:other" })).unwrap_err();
        assert_eq!(wrong.code(), "other-device");
        let identity = facts_of(&b)["identity"].clone();
        assert_eq!(facts_of(&b)["signature"], kind);
        copy(json!({ "from": a, "to": b, "replaces": identity })).unwrap();
        assert!(equal(&a, &b));
    }
}

#[test]
fn a_copy_in_parts_is_whole_and_its_head_is_recognised_only_by_the_copy_that_left_it() {
    let folder = Folder::new();
    let mut source = noise(7, 5 * MIB);
    source[..4].copy_from_slice(b"XFSB");
    let a = folder.file("a", &source);
    let b = folder.file("b", &vec![0; 5 * MIB]);
    let first = copy(json!({ "from": a, "to": b, "offset": MIB, "length": 2 * MIB })).unwrap();
    let base = serde_json::to_value(&first.base).unwrap();
    copy(json!({ "from": a, "to": b, "offset": 3 * MIB, "base": base })).unwrap();
    copy(json!({ "from": a, "to": b, "length": MIB, "resume": true })).unwrap();
    assert!(equal(&a, &b));

    let again = json!({ "from": a, "to": b, "length": MIB });
    assert_eq!(copy(again).unwrap_err().code(), "carries-data");
    copy(json!({ "from": a, "to": b, "length": MIB, "resume": true })).unwrap();
    let other = folder.file("other", &{
        let mut bytes = noise(8, 5 * MIB);
        bytes[..4].copy_from_slice(b"XFSB");
        bytes
    });
    let foreign = json!({ "from": a, "to": other, "length": MIB, "resume": true });
    assert_eq!(copy(foreign).unwrap_err().code(), "carries-data");
}

#[test]
fn a_target_written_since_its_base_was_taken_is_refused() {
    let folder = Folder::new();
    let a = folder.file("a", &noise(1, 2 * MIB));
    let b = folder.file("b", &vec![0; 2 * MIB]);
    let base = copy(json!({ "from": a, "to": b, "length": MIB })).unwrap().base;
    let mut touched = fs::read(&b).unwrap();
    touched[5000] = 1;
    fs::write(&b, touched).unwrap();
    let go_on = |base: &Base| copy(json!({ "from": a, "to": b, "offset": MIB, "base": base }));
    assert_eq!(go_on(&base).unwrap_err().code(), "base-moved");
    let booted = Base { boot: "another".to_owned(), ..base.clone() };
    assert!(go_on(&booted).unwrap_err().to_string().contains("booted since"));
    let other = Base { to: "dm:other".to_owned(), ..base };
    assert_eq!(go_on(&other).unwrap_err().code(), "other-device");
}

#[test]
fn a_stopped_copy_says_where_to_go_on_and_what_lies_before_is_there() {
    let folder = Folder::new();
    let source = noise(3, 24 * MIB);
    let a = folder.file("a", &source);
    let b = folder.file("b", &vec![0; 24 * MIB]);
    let asked = AtomicU64::new(0);
    let stop = || asked.fetch_add(1, Ordering::Relaxed) >= 4;
    let watch = Watch { stop: &stop, progress: &|_, _| {}, loses_a_piece: false };
    let stopped = verbs::copy(&request::<Copy>(json!({ "from": a, "to": b })), watch).unwrap();
    let next = stopped.next.unwrap() as usize;
    assert_eq!(next, 8 * MIB);
    assert!(fs::read(&b).unwrap()[..next] == source[..next]);
    copy(json!({ "from": a, "to": b, "offset": next, "base": stopped.base })).unwrap();
    assert!(equal(&a, &b));
}

#[test]
fn a_rate_is_kept_and_told_of() {
    let folder = Folder::new();
    let a = folder.file("a", &noise(3, 8 * MIB));
    let b = folder.file("b", &vec![0; 8 * MIB]);
    let last = AtomicU64::new(0);
    let watch = Watch {
        stop: &|| false,
        progress: &|done, total| {
            assert_eq!(total, 8 * MIB as u64);
            assert!(last.swap(done, Ordering::Relaxed) < done);
        },
        loses_a_piece: false,
    };
    let began = Instant::now();
    let limited = json!({ "from": a, "to": b, "at-most": "16MiB/s" });
    verbs::copy(&request::<Copy>(limited), watch).unwrap();
    // The last piece of 2 MiB may begin once 6 MiB are paid for: 375 ms.
    assert!(began.elapsed() >= Duration::from_millis(370), "{:?}", began.elapsed());
    assert_eq!(last.load(Ordering::Relaxed), 8 * MIB as u64);
}

#[test]
fn zeroes_become_holes_over_whatever_was_there() {
    let folder = Folder::new();
    let mut source = noise(3, 8 * MIB);
    source[2 * MIB..6 * MIB].fill(0);
    let a = folder.file("a", &source);
    let b = folder.file("b", &noise(4, 8 * MIB));
    let Err(BlockError::CarriesData { identity, .. }) = copy(json!({ "from": a, "to": b })) else { panic!() };
    let over = json!({ "from": a, "to": b, "skip-zeroes": true, "replaces": identity });
    let copied = copy(over).unwrap();
    assert_eq!(copied.bytes, 8 * MIB as u64);
    assert!(fs::read(&b).unwrap() == source);
}

#[test]
fn the_first_difference_is_found_and_ranges_limit_the_search() {
    let folder = Folder::new();
    let source = noise(5, 6 * MIB + 100);
    let a = folder.file("a", &source);
    let mut other = source.clone();
    other[5 * MIB + 33] ^= 1;
    let b = folder.file("b", &other);
    let compare = |only: Value| {
        verbs::compare(&request::<Compare>(json!({ "a": a, "b": b, "only": only })), quiet()).unwrap()
    };
    let whole = compare(Value::Null);
    assert_eq!((whole.equal, whole.first_difference), (false, Some(5 * MIB as u64 + 33)));
    assert!(compare(json!([[0, 5 * MIB]])).equal);
    assert!(!compare(json!([[0, 4096], [5 * MIB, 4096]])).equal);
    assert!(compare(json!([[5 * MIB + 4096, 4 * MIB]])).equal, "cut at the end");
}

/// An exception store of 4 KiB chunks that lists these chunks.
fn store(chunks: &[u64], valid: u8) -> Vec<u8> {
    let mut bytes = vec![0; 4096 * 300];
    bytes[..4].copy_from_slice(b"SnAp");
    bytes[4] = valid;
    bytes[8] = 1;
    bytes[12] = 8;
    for (at, chunk) in chunks.iter().enumerate() {
        let record = &mut bytes[4096 + at * 16..][..16];
        record[..8].copy_from_slice(&chunk.to_le_bytes());
        record[8..].copy_from_slice(&(at as u64 + 2).to_le_bytes());
    }
    bytes
}

#[test]
fn a_resync_copies_just_the_chunks_listed_and_makes_the_copy_equal() {
    let folder = Folder::new();
    let before = noise(5, 4 * MIB + 512);
    let mut after = before.clone();
    let listed = [0_u64, 7, 8, 500, 1024];
    for &chunk in &listed {
        after[chunk as usize * 4096] ^= 0xff;
    }
    let origin = folder.file("origin", &before);
    let copy_of = folder.file("copy", &vec![0; 5 * MIB]);
    let base = copy(json!({ "from": origin, "to": copy_of })).unwrap().base;
    fs::write(&origin, &after).unwrap();
    let cow = folder.file("cow", &store(&listed, 1));
    let resync = |base: &Base| {
        let asked = json!({ "store": cow, "from": origin, "to": copy_of, "base": base });
        verbs::resync(&request::<Resync>(asked), quiet())
    };
    let done = resync(&base).unwrap();
    assert_eq!((done.chunk, done.chunks, done.bytes), (4096, 5, 4 * 4096 + 512), "the last chunk is cut");
    assert!(equal(&origin, &copy_of));
    let only =
        verbs::compare(&request::<Compare>(json!({ "a": origin, "b": copy_of, "store": cow })), quiet());
    assert_eq!(only.unwrap().bytes, 4 * 4096 + 512);
    assert_eq!(resync(&base).unwrap_err().code(), "base-moved");
    assert_eq!(resync(&done.base).unwrap().base.to, base.to);
}

#[test]
fn an_overflowed_or_foreign_store_is_refused_before_anything_is_written() {
    let folder = Folder::new();
    let origin = folder.file("origin", &noise(5, 4 * MIB));
    let copy_of = folder.file("copy", &vec![0; 4 * MIB]);
    let base = copy(json!({ "from": origin, "to": copy_of })).unwrap().base;
    for (content, code) in
        [(store(&[1], 0), "overflowed"), (store(&[5000], 1), "corrupt"), (vec![0; 8192], "corrupt")]
    {
        let cow = folder.file("cow", &content);
        let asked = json!({ "store": cow, "from": origin, "to": copy_of, "base": base });
        let error = verbs::resync(&request::<Resync>(asked), quiet()).unwrap_err();
        assert_eq!(error.code(), code);
        let untouched = json!({ "a": origin, "b": copy_of, "base": base });
        assert!(verbs::compare(&request::<Compare>(untouched), quiet()).unwrap().equal);
    }
}

#[test]
fn an_erase_leaves_nothing_to_recognise_and_spares_the_middle() {
    let folder = Folder::new();
    for length in [6 * MIB, 6 * MIB + 1000, 1000, MIB + 4096] {
        let content = noise(9, length);
        let a = folder.file("a", &content);
        let identity = facts_of(&a)["identity"].clone();
        let wrong = verbs::erase(&request::<Erase>(json!({ "to": a, "identity": "dm:other" })));
        assert_eq!(wrong.unwrap_err().code(), "other-device");
        verbs::erase(&request::<Erase>(json!({ "to": a, "identity": identity }))).unwrap();
        let left = fs::read(&a).unwrap();
        assert_eq!(left.len(), length);
        let edge = MIB.min(length);
        assert!(left[..edge].iter().chain(&left[length - edge..]).all(|&byte| byte == 0), "{length}");
        if length >= 6 * MIB {
            assert!(left[MIB..length - MIB - 4096] == content[MIB..length - MIB - 4096]);
        }
    }
}

#[test]
fn what_is_no_device_is_refused_without_waiting_for_it() {
    let folder = Folder::new();
    let a = folder.file("a", &noise(1, MIB));
    let fifo = folder.0.path().join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for (path, code) in [
        (fifo.as_path(), "invalid"),
        (folder.0.path(), "invalid"),
        (Path::new("/dev/null"), "invalid"),
        (&folder.0.path().join("none"), "missing"),
        (&a, "invalid"),
    ] {
        assert_eq!(copy(json!({ "from": a, "to": path })).unwrap_err().code(), code, "{}", path.display());
    }
}

#[test]
fn a_read_crosses_no_end_and_no_limit() {
    let folder = Folder::new();
    let content = noise(2, 9000);
    let a = folder.file("a", &content);
    assert_eq!(verbs::read(&a, 4000, 200).unwrap(), content[4000..4200]);
    assert_eq!(verbs::read(&a, 8990, 200).unwrap(), content[8990..]);
    assert!(verbs::read(&a, 9000, 1).unwrap().is_empty());
    assert!(verbs::read(&a, u64::MAX - 5, 10).unwrap().is_empty());
    assert_eq!(verbs::read(&a, 0, (1 << 20) + 1).unwrap_err().code(), "invalid");
}
