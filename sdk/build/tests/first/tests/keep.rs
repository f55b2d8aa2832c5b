//! The step `first.keep`, natively. It must not know WebAssembly.

use cutwater_sdk::call::Reply;
use cutwater_sdk::{Action, Context, Plugin as _, Story, Value, fake, json};
use first::{Keep, Plugin};

#[test]
fn a_file_gets_its_content_and_the_old_one_back() {
    let host = fake::Host::new().file("/etc/motd", "old");
    let ctx = Context::over(&host, Keep::NAME);
    let input = json!({ "path": "/etc/motd", "content": "new" });

    let Reply::Changed(output) = Plugin::apply(&ctx, input.clone(), None) else { panic!("not changed") };
    assert_eq!(host.text("/etc/motd").unwrap(), "new");

    let story = Story { output: Some(output), ..Story::default() };
    assert_eq!(Plugin::undo(&ctx, input, &story), Reply::Changed(Value::Null));
    assert_eq!(host.text("/etc/motd").unwrap(), "old");
}

#[test]
fn a_lost_write_is_unknown_and_a_denied_one_refused() {
    let input = json!({ "path": "/etc/motd", "content": "new" });
    for (code, unknown) in [("lost", true), ("denied", false)] {
        let host = fake::Host::new();
        host.fault("replace", code);
        let reply = Plugin::apply(&Context::over(&host, Keep::NAME), input.clone(), None);
        assert_eq!(matches!(reply, Reply::Unknown(_)), unknown, "{reply:?}");
    }
}
