//! Conversations, byte by byte.

use super::*;

fn startup(settings: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (name, value) in settings {
        body.extend(format!("{name}\0{value}\0").bytes());
    }
    body.push(0);
    [&(body.len() as u32 + 4).to_be_bytes()[..], &body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

fn talking() -> Frontend {
    let mut frontend = Frontend::new(false);
    frontend.take(&startup(&[("user", "postgres")]), &mut |_| panic!("no statement yet")).unwrap();
    frontend
}

/// Admits just `only`.
fn say(frontend: &mut Frontend, bytes: &[u8], only: &str) -> Result<Vec<u8>, &'static str> {
    let mut admit = |text: &str| if text == only { Ok(()) } else { Err(Fault::denied("not in the plan")) };
    frontend.take(bytes, &mut admit).map_err(|fault| fault.code)
}

#[test]
fn a_statement_is_sent_whole_and_only_when_it_is_admitted() {
    let mut frontend = talking();
    let query = message(b'Q', b"checkpoint\0");
    for byte in &query[..query.len() - 1] {
        assert_eq!(say(&mut frontend, &[*byte], "checkpoint").unwrap(), b"");
    }
    assert_eq!(say(&mut frontend, &query[query.len() - 1..], "checkpoint").unwrap(), query);
    assert_eq!(say(&mut frontend, &message(b'Q', b"drop table t\0"), "checkpoint"), Err("denied"));
    assert_eq!(say(&mut frontend, &query, "checkpoint").unwrap(), query);
}

#[test]
fn nothing_of_a_batch_is_sent_when_one_statement_is_denied() {
    let mut frontend = talking();
    let both = [message(b'Q', b"checkpoint\0"), message(b'P', b"s\0drop table t\0\0\0")].concat();
    assert_eq!(say(&mut frontend, &both, "checkpoint"), Err("denied"));
}

#[test]
fn what_the_plan_cannot_show_is_denied() {
    let mut frontend = talking();
    assert_eq!(say(&mut frontend, &message(b'F', b"\0\0\0\x01"), ""), Err("denied"));
    assert_eq!(say(&mut frontend, &message(b'Z', b""), ""), Err("denied"));
    assert_eq!(say(&mut frontend, &message(b'd', b"row"), ""), Err("denied"));
    let bound = message(b'B', b"\0s\0\0\0\0\x01\0\0\0\x01x\0\0");
    assert_eq!(say(&mut frontend, &bound, ""), Err("denied"));
    let unbound = message(b'B', b"\0s\0\0\0\0\0\0\0");
    assert_eq!(say(&mut frontend, &unbound, "").unwrap(), unbound);
    assert_eq!(say(&mut frontend, &message(b'Q', b"a\0b\0"), "a"), Err("invalid"));
    assert_eq!(say(&mut frontend, &[b'Q', 0xff, 0, 0, 0], ""), Err("invalid"));
}

/// Sabotage: an admitted `copy t from stdin` lets rows through that no plan showed.
#[test]
fn data_is_never_copied_from_here() {
    let mut frontend = talking();
    let copy = "copy t from stdin";
    say(&mut frontend, &message(b'Q', format!("{copy}\0").as_bytes()), copy).unwrap();
    assert_eq!(say(&mut frontend, &message(b'd', b"row\n"), ""), Err("denied"));
}

#[test]
fn a_session_starts_without_settings_that_change_what_statements_mean() {
    for (setting, fine) in [
        ("application_name", true),
        ("statement_timeout", true),
        ("search_path", false),
        ("options", false),
        ("replication", false),
    ] {
        let mut frontend = Frontend::new(false);
        let begun = say(&mut frontend, &startup(&[("user", "x"), (setting, "1")]), "");
        assert_eq!(begun.is_ok(), fine, "{setting}");
    }
    let cancel = [&16_u32.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), &[0; 8]].concat();
    assert_eq!(say(&mut Frontend::new(false), &cancel, ""), Err("denied"));
}

#[test]
fn an_address_that_wants_tls_hears_nothing_before_it() {
    let mut frontend = Frontend::new(true);
    let hello = startup(&[("user", "x")]);
    let request = [8_u32.to_be_bytes(), SSL_REQUEST.to_be_bytes()].concat();
    assert_eq!(say(&mut frontend, &hello, ""), Err("denied"));
    assert_eq!(say(&mut frontend, &request, "").unwrap(), request);
    assert_eq!(say(&mut frontend, &hello, ""), Err("invalid"));
    assert_eq!(frontend.may_read(100).unwrap(), 1);
    assert!(frontend.may_start_tls().is_err());
    frontend.heard(b"S");
    assert!(frontend.may_read(100).is_err());
    frontend.may_start_tls().unwrap();
    frontend.tls_started();
    assert_eq!(say(&mut frontend, &hello, "").unwrap(), hello);
}

#[test]
fn a_server_without_tls_is_talked_to_only_where_the_grant_lets_it() {
    let request = [8_u32.to_be_bytes(), SSL_REQUEST.to_be_bytes()].concat();
    for needs_tls in [true, false] {
        let mut frontend = Frontend::new(needs_tls);
        say(&mut frontend, &request, "").unwrap();
        frontend.heard(b"N");
        assert_eq!(say(&mut frontend, &startup(&[("user", "x")]), "").is_ok(), !needs_tls);
    }
}

#[test]
fn what_a_plan_showed_is_read_by_the_server_in_the_same_encoding() {
    for (encoding, begins) in [("UTF8", true), ("utf-8", true), ("SJIS", false), ("", false)] {
        let hello = startup(&[("user", "x"), ("Client_Encoding", encoding)]);
        assert_eq!(say(&mut Frontend::new(false), &hello, "").is_ok(), begins, "{encoding}");
    }
}
