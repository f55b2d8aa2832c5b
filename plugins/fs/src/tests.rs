//! The steps against a table of mounts that `mount` and `umount` change, and against files.

use crate::{Freeze, Mount, Persist, Plugin, Unmount};
use cutwater_sdk::call::{self, Reply};
use cutwater_sdk::fake::{Host, Output};
use cutwater_sdk::host::Mount as Mounted;
use cutwater_sdk::{Context, Ending, GiveBack, Partial, Plugin as _, Probed, Story, Value, json};

/// A machine on which `mount` and `umount` work, and which has `busy` as a mount that somebody uses.
fn world() -> Host {
    Host::new()
        .device("/dev/vg00/dat", vec![0; 4096])
        .device("/dev/vg01/new", vec![0; 4096])
        .program("mount", |host, command| {
            let value = |option: &str| {
                command.args.iter().position(|arg| arg == option).map(|at| command.args[at + 1].clone())
            };
            let [.., device, at] = command.args.as_slice() else {
                return Output::failed(1, "mount: bad usage");
            };
            if !host.devices.borrow().contains_key(device) {
                return Output::failed(32, format!("mount: {at}: special device {device} does not exist."));
            }
            let mount = Mounted {
                at: at.clone(),
                device: device.clone(),
                fs: value("-t").unwrap_or_else(|| "xfs".into()),
                options: value("-o").unwrap_or_else(|| "rw,relatime,rw,attr2".into()),
                root: "/".into(),
                ..Mounted::default()
            };
            host.mounts.borrow_mut().push(mount);
            Output::ok("")
        })
        .program("umount", |host, command| {
            let at = &command.args[0];
            if host.words.borrow().iter().any(|word| word == "busy") {
                return Output::failed(32, format!("umount: {at}: target is busy."));
            }
            let found = host.mounts.borrow().iter().rposition(|mount| &mount.at == at);
            match found {
                Some(index) => {
                    host.mounts.borrow_mut().remove(index);
                    Output::ok("")
                }
                None => Output::failed(32, format!("umount: {at}: not mounted.")),
            }
        })
}

fn runs(host: &Host) -> Vec<String> {
    host.calls().into_iter().filter_map(|call| call.strip_prefix("run ").map(str::to_owned)).collect()
}

fn story(host: &Host) -> Story {
    Story { checkpoint: host.saved.borrow().last().cloned(), ..Story::default() }
}

fn on_new() -> Value {
    json!({ "device": "/dev/vg01/new", "at": "/srv/postgresql", "options": "noatime" })
}

#[test]
fn a_mount_does_what_its_preview_showed_and_is_taken_back() {
    let host = world();
    let ctx = Context::over(&host, "mount");
    let shown = call::preview::<Mount>(&ctx, &Partial::known(on_new()), false).unwrap();
    let args = json!(["-o", "noatime", "/dev/vg01/new", "/srv/postgresql"]);
    assert_eq!(shown.effects[0].detail, json!({ "program": "mount", "args": args }));
    for _ in 0..2 {
        let Reply::Changed(output) = call::apply::<Mount>(&ctx, on_new(), None) else { panic!() };
        assert_eq!(output["options"], "noatime");
        assert_eq!(runs(&host).last().unwrap(), "mount -o noatime /dev/vg01/new /srv/postgresql");
        assert!(host.folders.borrow().contains("/srv/postgresql"));
        assert_eq!(call::probe::<Mount>(&ctx, on_new(), &story(&host)), Probed::Applied(output));
        assert_eq!(call::undo::<Mount>(&ctx, on_new(), &story(&host)), Reply::Changed(json!(null)));
        assert!(host.mounts.borrow().is_empty());
        assert_eq!(call::probe::<Mount>(&ctx, on_new(), &story(&host)), Probed::NotApplied);
    }
}

#[test]
fn what_was_mounted_before_is_never_unmounted_by_undo() {
    let host = world().mount("/dev/mapper/vg01-new", "/srv/postgresql", "xfs");
    let ctx = Context::over(&host, "mount");
    assert!(matches!(call::apply::<Mount>(&ctx, on_new(), None), Reply::Unchanged(_)));
    assert_eq!(call::probe::<Mount>(&ctx, on_new(), &Story::default()), Probed::NotApplied);
    assert_eq!(call::undo::<Mount>(&ctx, on_new(), &Story::default()), Reply::Unchanged(json!(null)));
    assert_eq!(host.mounts.borrow().len(), 1);
}

#[test]
fn a_device_that_is_not_there_is_refused_in_mounts_words_and_one_by_uuid_at_once() {
    let host = world();
    let ctx = Context::over(&host, "mount");
    let missing = json!({ "device": "/dev/vg01/none", "at": "/srv/postgresql" });
    let Reply::Refused(refusal) = call::apply::<Mount>(&ctx, missing, None) else { panic!() };
    assert!(refusal.message.contains("special device /dev/vg01/none does not exist"));
    let by_uuid = Partial::known(json!({ "device": "UUID=1-2", "at": "/srv/postgresql" }));
    assert_eq!(call::preview::<Mount>(&ctx, &by_uuid, false).unwrap_err().code, "invalid-path");
    let over = world().mount("/dev/vg00/dat", "/srv/postgresql", "xfs");
    let Reply::Refused(refusal) = call::apply::<Mount>(&Context::over(&over, "mount"), on_new(), None) else {
        panic!()
    };
    assert_eq!(refusal.code, "mounted-over");
}

#[test]
fn an_unmount_is_taken_back_by_a_mount_as_it_was() {
    let host = world();
    host.mounts.borrow_mut().push(Mounted {
        at: "/srv/postgresql".into(),
        device: "/dev/vg00/dat".into(),
        fs: "xfs".into(),
        options: "rw,noatime,rw,attr2".into(),
        root: "/".into(),
        ..Mounted::default()
    });
    let (ctx, input) = (Context::over(&host, "unmount"), json!({ "at": "/srv/postgresql" }));
    let undo = call::preview::<Unmount>(&ctx, &Partial::known(input.clone()), true).unwrap();
    let again = "mount -t xfs -o rw,noatime,attr2 /dev/vg00/dat /srv/postgresql";
    assert_eq!(undo.effects[0].detail["args"], json!(again.split(' ').skip(1).collect::<Vec<_>>()));
    let Reply::Changed(output) = call::apply::<Unmount>(&ctx, input.clone(), None) else { panic!() };
    assert_eq!(output, json!({ "device": "/dev/vg00/dat", "type": "xfs", "options": "rw,noatime,attr2" }));
    assert_eq!(call::probe::<Unmount>(&ctx, input.clone(), &story(&host)), Probed::Applied(output));
    assert_eq!(call::undo::<Unmount>(&ctx, input.clone(), &story(&host)), Reply::Changed(json!(null)));
    assert_eq!(runs(&host).last().unwrap(), again);
    assert_eq!(call::undo::<Unmount>(&ctx, input.clone(), &story(&host)), Reply::Unchanged(json!(null)));
    assert_eq!(call::probe::<Unmount>(&ctx, input, &story(&host)), Probed::NotApplied);
}

/// Sabotage: the named device not held against what is mounted; its own name in the way back, which the plan did not show.
#[test]
fn what_an_earlier_step_will_mount_is_planned_to_be_unmounted_and_no_other_is() {
    let host = world();
    let mut planning = Context::over(&host, "unmount");
    planning.run = "\u{e000}run\u{e001}".into();
    let at = "/srv/copy";
    let input = json!({ "at": at, "device": "/dev/vg01/new" });
    let shown = |ctx: &Context<'_>, undo| {
        call::preview::<Unmount>(ctx, &Partial::known(input.clone()), undo).unwrap()
    };
    let planned = [shown(&planning, false), shown(&planning, true)];
    assert_eq!(planned[0].effects[0].detail["args"], json!([at]));
    let hole = "\u{e000}~\u{e001}";
    assert_eq!(planned[1].effects[0].detail["args"], json!(["-t", hole, "-o", hole, "/dev/vg01/new", at]));
    assert!(call::preview::<Unmount>(&planning, &Partial::known(json!({ "at": at })), false).is_err());

    let mounted = |device: &str| Mounted {
        at: at.into(),
        device: device.into(),
        fs: "xfs".into(),
        options: "rw,noatime".into(),
        root: "/".into(),
        ..Mounted::default()
    };
    let ctx = Context::over(&host, "unmount");
    host.mounts.borrow_mut().push(mounted("/dev/mapper/vg00-dat"));
    let Reply::Refused(refusal) = call::apply::<Unmount>(&ctx, input.clone(), None) else { panic!() };
    assert_eq!(refusal.code, "other-device");
    host.mounts.borrow_mut().clear();
    host.mounts.borrow_mut().push(mounted("/dev/mapper/vg01-new"));
    let undo = shown(&ctx, true);
    let again = json!(["-t", "xfs", "-o", "rw,noatime", "/dev/vg01/new", at]);
    assert_eq!(undo.effects[0].detail["args"], again);
    assert!(matches!(call::apply::<Unmount>(&ctx, input.clone(), None), Reply::Changed(_)));
    assert_eq!(call::undo::<Unmount>(&ctx, input.clone(), &story(&host)), Reply::Changed(json!(null)));
    assert_eq!(runs(&host).last().unwrap(), "mount -t xfs -o rw,noatime /dev/vg01/new /srv/copy");
}

#[test]
fn what_is_busy_or_not_mounted_is_refused_and_stays() {
    let host = world().mount("/dev/vg00/dat", "/srv/postgresql", "xfs");
    host.words.borrow_mut().push("busy".into());
    let ctx = Context::over(&host, "unmount");
    let Reply::Refused(refusal) = call::apply::<Unmount>(&ctx, json!({ "at": "/srv/postgresql" }), None)
    else {
        panic!()
    };
    assert!(
        refusal.again && refusal.message.contains("target is busy") && refusal.message.contains("fuser -vm")
    );
    assert_eq!(host.mounts.borrow().len(), 1);
    let Reply::Refused(refusal) = call::apply::<Unmount>(&ctx, json!({ "at": "/srv/none" }), None) else {
        panic!()
    };
    assert_eq!(refusal.code, "not-mounted");
    let Reply::Refused(refusal) = call::apply::<Unmount>(&ctx, json!({ "at": "/srv/../etc" }), None) else {
        panic!()
    };
    assert_eq!(refusal.code, "invalid-path");
}

const FSTAB: &str = "/dev/vg00/dat /srv/postgresql xfs defaults,nofail 0 0\n";

#[test]
fn an_fstab_entry_changes_as_shown_and_goes_back_byte_for_byte() {
    let host = Host::new().file("/etc/fstab", FSTAB);
    let ctx = Context::over(&host, "persist");
    let input = json!({ "at": "/srv/postgresql", "device": "/dev/vg01/new" });
    let shown = call::preview::<Persist>(&ctx, &Partial::known(input.clone()), false).unwrap();
    let undo = call::preview::<Persist>(&ctx, &Partial::known(input.clone()), true).unwrap();
    assert_eq!(call::undo::<Persist>(&ctx, input.clone(), &Story::default()), Reply::Unchanged(json!(null)));
    for _ in 0..2 {
        assert_eq!(call::probe::<Persist>(&ctx, input.clone(), &Story::default()), Probed::NotApplied);
        assert!(matches!(call::apply::<Persist>(&ctx, input.clone(), None), Reply::Changed(_)));
        let text = host.text("/etc/fstab").unwrap();
        assert_eq!(shown.effects[0].detail, json!({ "path": "/etc/fstab", "content": text }));
        assert!(matches!(call::probe::<Persist>(&ctx, input.clone(), &Story::default()), Probed::Applied(_)));
        assert_eq!(
            call::preview::<Persist>(&ctx, &Partial::known(input.clone()), false).unwrap().effects,
            shown.effects
        );
        assert_eq!(
            call::preview::<Persist>(&ctx, &Partial::known(input.clone()), true).unwrap().effects,
            undo.effects
        );
        assert_eq!(
            call::undo::<Persist>(&ctx, input.clone(), &Story::default()),
            Reply::Changed(json!(null))
        );
        assert_eq!(host.text("/etc/fstab").unwrap(), FSTAB);
    }
    assert_eq!(undo.effects[0].detail["content"], FSTAB);
}

#[test]
fn a_freeze_is_the_guards_to_give_back_and_is_broken_once_a_sector_is_written() {
    let host = world().mount("/dev/vg00/dat", "/srv/postgresql", "xfs");
    let input = json!({ "at": "/srv/postgresql" });
    let mut taken = call::take::<Freeze>(Context::over(&host, "freeze"), input.clone()).unwrap();
    assert_eq!(taken.give_backs, [GiveBack::Thaw("/srv/postgresql".into())]);
    assert_eq!(taken.output, json!({ "device": "/dev/vg00/dat" }));
    assert!(host.frozen.borrow().contains("/srv/postgresql"));
    assert_eq!(taken.held.intact(), Ok(()));
    host.devices.borrow_mut().get_mut("/dev/vg00/dat").unwrap().written += 8;
    assert!(taken.held.intact().unwrap_err().contains("thawed meanwhile"));
    host.time.set(250);
    assert_eq!(taken.held.release(Ending::Done), Reply::Changed(json!({ "milliseconds": 250 })));
    assert!(host.frozen.borrow().is_empty());

    call::take::<Freeze>(Context::over(&host, "freeze"), input.clone()).unwrap();
    assert_eq!(
        call::release_orphan::<Freeze>(&Context::over(&host, "freeze"), input),
        Reply::Changed(json!(null))
    );
    assert!(host.frozen.borrow().is_empty());
}

#[test]
fn a_freeze_that_could_not_be_watched_is_refused_and_leaves_nothing_frozen() {
    let host = world().mount("/dev/vg00/dat", "/srv/postgresql", "xfs");
    host.fault("facts", "denied");
    let refused = call::take::<Freeze>(Context::over(&host, "freeze"), json!({ "at": "/srv/postgresql" }));
    assert_eq!(refused.err().unwrap().code, "denied");
    assert!(host.frozen.borrow().is_empty());
}

#[test]
fn the_plugin_tells_its_steps_within_the_subset_of_json_schema() {
    let told = Plugin::describe();
    for (name, step) in told["steps"].as_object().unwrap() {
        for schema in ["input", "output"] {
            assert_eq!(cutwater_sdk::schema::outside_subset(&step[schema]), None, "{name}");
        }
    }
    assert_eq!(told["steps"]["freeze"]["kind"], "hold");
}
