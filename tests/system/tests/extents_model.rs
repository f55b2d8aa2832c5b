//! The model that sizes snapshots against stores that real loads filled, by the kernel's own counts. It must not know how the
//! model computes.

#![expect(clippy::unwrap_used, reason = "a test")]

use cutwater_lab::{Disk, Image, Lab, built_program, scratch};
use std::path::Path;
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// What is known of one load.
struct Measured {
    load: String,
    /// What the kernel counted as written to the origin.
    written: u64,
    /// What the store holds, its metadata included.
    used: u64,
    /// What `cutwater extents` asks for that much in one second, with its margin and in whole extents.
    bound: u64,
}

const JOB: &str = r#"
    export PATH=/run/bin:$PATH
    vgcreate -q -y -s 64k vg00 /dev/ubdb >/dev/null 2>&1 && lvcreate -q -y -W n -n dat -l 1024 vg00 >/dev/null 2>&1 || exit 90
    origin=/sys/dev/block/$(dmsetup info -c --noheadings --separator : -o major,minor vg00-dat)
    measure() { # NAME COMMAND…
      local name=$1 before after; shift
      lvcreate -q -y -s -n snap -c 16k -l 1100 vg00/dat >/dev/null 2>&1 || exit 91
      before=$(awk '{print $7}' $origin/stat)
      "$@" || exit 92
      sync
      after=$(awk '{print $7}' $origin/stat)
      bytes=$(((after - before) * 512))
      used=$(dmsetup status vg00-snap | awk '{split($4, of, "/"); print of[1] * 512}')
      lvremove -q -y vg00/snap >/dev/null 2>&1 || exit 93
      bound=$(cutwater extents --rate $bytes --lasting 1s --json --vg vg00 | tr -d ' \n' | sed 's/.*"store":\([0-9]*\).*/\1/')
      echo "$name $bytes $used $bound" >>$OUT/measured
    }
    measure scattered python3 /run/jobs/load.py scattered /dev/vg00/dat 1500
    measure hot python3 /run/jobs/load.py hot /dev/vg00/dat 3000
    mkfs.ext4 -q /dev/vg00/dat && mkdir -p /mnt/load && mount /dev/vg00/dat /mnt/load || exit 94
    measure files python3 /run/jobs/load.py files /mnt/load 800
"#;

fn measured() -> Vec<Measured> {
    let folder = scratch("model").unwrap();
    let programs = built_program("cutwater").unwrap();
    let lab = Lab::new(folder.path())
        .unwrap()
        .image(&Image::named("bare").unwrap())
        .unwrap()
        .disk(Disk::empty(folder.path().join("group.img"), 160).unwrap())
        .mount(programs.parent().unwrap(), "/run/bin")
        .mount(Path::new(env!("CARGO_MANIFEST_DIR")).join("job"), "/run/jobs");
    let outcome = lab.run(JOB, Duration::from_secs(5 * 60)).unwrap();
    assert_eq!(outcome.status, 0, "{}", outcome.log());
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse().unwrap();
        Measured { load: words[0].to_owned(), written: number(1), used: number(2), bound: number(3) }
    };
    outcome.read("measured").unwrap().lines().map(line).collect()
}

/// Sabotage: the store's own metadata left out of the model, or what is written counted in chunks instead of pages (the
/// scattered load overflows what was asked for).
#[test]
fn what_a_store_really_takes_lies_within_what_the_model_asks_for() {
    let all = measured();
    assert_eq!(all.len(), 3);
    for Measured { load, written, used, bound } in all {
        let mib = |bytes: u64| bytes as f64 / MIB as f64;
        println!(
            "{load}: {:.2} MiB written, {:.2} MiB used, {:.2} MiB asked for",
            mib(written),
            mib(used),
            mib(bound)
        );
        assert!(written > MIB && used > MIB, "{load}: nothing to speak of was written");
        assert!(used <= bound, "{load}: {used} bytes of the store are used, and {bound} were asked for");
        // The model is of scattered writes: for those it must not ask for the moon either.
        assert!(load != "scattered" || bound < used * 3 / 2, "{load}: {bound} bytes for {used}");
    }
}
