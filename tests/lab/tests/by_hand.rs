//! PostgreSQL in the lab: the move by hand loses nothing and lasts, and so does a power cut.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::time::Duration;

use cutwater_lab::{Image, Lab, built_program, scratch};

const MINUTES: Duration = Duration::from_secs(60);

fn postgres(folder: &Path) -> Lab {
    let witness = built_program("cutwater-witness").unwrap();
    Lab::new(folder)
        .unwrap()
        .image(&Image::named("postgres").unwrap())
        .unwrap()
        .mount(witness.parent().unwrap(), "/run/bin")
}

/// A number that some JSON text gives under that name.
fn number(json: &str, name: &str) -> u64 {
    let rest = json.split_once(&format!("\"{name}\": ")).unwrap().1;
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// Where the database is, and every acknowledged row asked for once more.
const CHECK: &str = "set -e
    findmnt -no SOURCE /srv/postgresql
    /run/bin/cutwater-witness verify --acks $OUT/acks --dsn 'host=127.0.0.1 user=witness dbname=postgres' >$OUT/again.json
    test ! -e /dev/vg00/dat";

/// The old volume as it was left: mounted read-only, and opened by a throw-away server on a snapshot.
const COMPARE: &str = "set -e
    rows() { psql -qXAt -U witness -d postgres \"$@\" -c 'select client, n from ledger' | sort; }
    rows -h /run/postgresql >/tmp/new
    lvchange -ay -K vg00/dat
    mkdir /run/old && mount -o ro,norecovery,nouuid /dev/vg00/dat /run/old
    test -s /run/old/15/main/PG_VERSION && umount /run/old
    lvcreate -y -s -L 256M -n look vg00/dat
    mount -o nouuid /dev/vg00/look /run/old
    install -d -o postgres /run/old-socket
    as_postgres() { setpriv --reuid postgres --regid postgres --init-groups --reset-env \"$@\"; }
    server() { as_postgres /usr/lib/postgresql/15/bin/pg_ctl -s -D /run/old/15/main \"$@\"; }
    server start -l /tmp/old.log -o '-c config_file=/etc/postgresql/15/main/postgresql.conf \
      -c data_directory=/run/old/15/main -c listen_addresses= -c external_pid_file= \
      -c unix_socket_directories=/run/old-socket'
    rows -h /run/old-socket >/tmp/old
    server stop
    umount /run/old && lvremove -y vg00/look && lvchange -an vg00/dat
    wc -l </tmp/old >$OUT/old-rows; wc -l </tmp/new >$OUT/new-rows
    comm -23 /tmp/old /tmp/new >$OUT/only-old";

#[test]
fn a_move_by_hand_under_load_loses_nothing_and_outlasts_two_reboots() {
    let folder = scratch("by-hand").unwrap();
    let lab = postgres(folder.path());
    let job = "/run/lab/by-hand/under-load.sh /run/lab/by-hand/move-volume.sh";
    let moved = lab.run(job, 10 * MINUTES).unwrap().success().unwrap();
    let (hand, verdict) = (moved.read("by-hand.json").unwrap(), moved.read("witness.json").unwrap());
    assert!(verdict.contains("\"lost\": [],"), "{verdict}");
    assert!(number(&verdict, "acked_before") > 100 && number(&verdict, "acked_after") >= 100, "{verdict}");
    assert!(number(&hand, "downtime_ms") > 0 && number(&verdict, "longest_gap_ms") > 0, "{hand}");
    println!("by hand: {hand}\nwitness: {verdict}");

    for _reboot in 1..=2 {
        let outcome = lab.run(CHECK, 2 * MINUTES).unwrap().success().unwrap();
        assert_eq!(outcome.log(), "/dev/mapper/vg01-new\n");
        assert!(outcome.read("again.json").unwrap().contains("\"lost\": [],"));
    }
    let outcome = lab.run(COMPARE, 3 * MINUTES).unwrap().success().unwrap();
    assert_eq!(outcome.read("only-old").unwrap(), "", "rows that only the old volume has");
    let rows = |name| outcome.read(name).unwrap().trim().parse::<u64>().unwrap();
    assert!(rows("old-rows") > 100 && rows("new-rows") > rows("old-rows"));
}

#[test]
fn every_acknowledged_row_survives_a_power_cut_during_writes() {
    let folder = scratch("power-cut").unwrap();
    let lab = postgres(folder.path());
    let job = "/run/bin/cutwater-witness run --acks $OUT/acks --dsn 'host=/run/postgresql user=witness dbname=postgres' &
        while [ \"$(cat $OUT/acks/*.acks | grep -c '^[0-9]')\" -lt 500 ]; do sleep 0.1; done
        touch $OUT/flowing; wait";
    let mut running = lab.boot(job).unwrap();
    running.wait_for_file("flowing", 2 * MINUTES).unwrap();
    running.cut_power().unwrap();
    let job = "/run/bin/cutwater-witness verify --acks $OUT/acks --dsn 'host=/run/postgresql user=witness dbname=postgres'";
    let outcome = lab.run(job, 2 * MINUTES).unwrap().success().unwrap();
    assert!(number(&outcome.log(), "found") >= 500, "{}", outcome.log());
}
