//! What every test in the lab relies on: jobs, shares, reboots, power cuts, hooks, fences, LVM.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use cutwater_lab::{Disk, Image, Lab, scratch};

const MINUTE: Duration = Duration::from_secs(60);

fn bare(folder: &std::path::Path) -> Lab {
    Lab::new(folder).unwrap().image(&Image::named("bare").unwrap()).unwrap()
}

#[test]
fn a_job_gives_back_its_status_its_words_and_its_files() {
    let folder = scratch("boot").unwrap();
    let outcome = bare(folder.path()).run("echo words; echo data >$OUT/file; exit 7", MINUTE).unwrap();
    assert_eq!(outcome.status, 7);
    assert_eq!(outcome.log(), "words\n");
    assert_eq!(outcome.read("file").unwrap(), "data\n");
    assert!(outcome.success().unwrap_err().to_string().contains("words"));
}

#[test]
fn a_machine_that_hangs_is_killed_at_the_limit_and_its_last_words_are_shown() {
    let folder = scratch("boot").unwrap();
    let lab = bare(folder.path());
    let error = lab.run("echo asleep; sleep 1000", Duration::from_secs(20)).unwrap_err();
    assert!(error.to_string().contains("asleep"), "{error}");
    lab.run("true", MINUTE).unwrap().success().unwrap();
}

#[test]
fn what_was_synced_survives_a_power_cut_and_what_lay_on_tmpfs_does_not() {
    let folder = scratch("boot").unwrap();
    let lab = bare(folder.path());
    let job = "echo new >/etc/one.new && mv /etc/one.new /etc/one
        echo two >/var/lib/cutwater/two; echo three >/srv/three; echo four >/run/four
        sync; touch $OUT/ready; sleep 1000";
    let mut running = lab.boot(job).unwrap();
    running.wait_for_file("ready", MINUTE).unwrap();
    running.cut_power().unwrap();
    let job = "cat /etc/one /var/lib/cutwater/two /srv/three; test ! -e /run/four";
    let outcome = lab.run(job, MINUTE).unwrap().success().unwrap();
    assert_eq!(outcome.log(), "new\ntwo\nthree\n");
}

#[test]
fn a_boot_resumes_before_it_starts_services_and_obeys_fences() {
    let folder = scratch("boot").unwrap();
    let lab = bare(folder.path());
    let job = "cd /etc/cutwater-lab
        for name in one two; do
          printf '#!/bin/sh\\necho $1 %s >>/var/lib/cutwater/order\\n' $name >services/$name
        done
        printf '#!/bin/sh\\necho resume >>/var/lib/cutwater/order\\n' >resume
        chmod 755 resume services/*
        touch /etc/cutwater-fences/two";
    lab.run(job, MINUTE).unwrap().success().unwrap();
    let job = "cat /var/lib/cutwater/order; rm /etc/cutwater-fences/two /var/lib/cutwater/order";
    let fenced = lab.run(job, MINUTE).unwrap().success().unwrap().log();
    assert!(fenced.ends_with("resume\nstart one\n"), "{fenced}");
    let open = lab.run("cat /var/lib/cutwater/order", MINUTE).unwrap().success().unwrap().log();
    assert!(open.ends_with("resume\nstart one\nstart two\n"), "{open}");
}

#[test]
fn lvm_works_in_a_clean_environment_and_a_boot_obeys_its_activation_flags() {
    let folder = scratch("boot").unwrap();
    let lab = bare(folder.path()).disk(Disk::empty(folder.path().join("pv.img"), 256).unwrap());
    let job = "set -e
        lvm() { env -i LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin \"$@\"; }
        lvm vgcreate -y vg /dev/ubdb
        for name in plain unwanted skipped; do lvm lvcreate -y -L 16M -n $name vg; done
        lvm lvcreate -y -s -L 8M -n snap --addtag a.b vg/plain
        test -b /dev/vg/snap; dd if=/dev/zero of=/dev/vg/plain bs=64k count=4 oflag=direct
        lvm lvremove -y vg/snap; test ! -e /dev/vg/snap
        lvm lvchange --setautoactivation n vg/unwanted
        lvm lvchange --setactivationskip y vg/skipped
        cat /sys/block/ubdb/serial";
    let first = lab.run(job, MINUTE).unwrap().success().unwrap();
    assert!(first.log().ends_with("LAB0001"), "{}", first.log());
    let second = lab.run("ls /dev/vg", MINUTE).unwrap().success().unwrap();
    assert_eq!(second.log(), "plain\n");
}

#[test]
fn copies_leave_the_image_as_it_was_and_large_direct_writes_read_back() {
    let folder = scratch("boot").unwrap();
    let image = Image::named("bare").unwrap();
    let before = std::fs::metadata(&image.disks()[0]).unwrap().modified().unwrap();
    let lab = bare(folder.path()).disk(Disk::empty(folder.path().join("disk.img"), 64).unwrap());
    let job = "dd if=/dev/urandom of=/tmp/data bs=1M count=64
        dd if=/tmp/data of=/dev/ubdb bs=4M oflag=direct && cmp /tmp/data /dev/ubdb && touch /etc/mark";
    lab.run(job, MINUTE).unwrap().success().unwrap();
    assert_eq!(std::fs::metadata(&image.disks()[0]).unwrap().modified().unwrap(), before);
}
