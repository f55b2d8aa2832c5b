//! The shipped workflows that dump and back up a PostgreSQL, with the real binary and a real server on this machine: as their plans
//! say, taken back where they fail, and where the engine dies. Needs root.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Said, cutwater, root, tree};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// A server, a folder for backups, and a root of Cutwater's own.
struct Machine {
    folder: TempDir,
    /// Where only the owner may write.
    root: TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("cw-dump").tempdir_in("/tmp").unwrap();
        let root = tempfile::tempdir_in(cutwater_lab::lab_folder().unwrap()).unwrap();
        let machine = Self { folder, root };
        for name in ["pg", "backup"] {
            std::fs::create_dir(machine.path(name)).unwrap();
        }
        well(Command::new("chmod").arg("755").arg(machine.folder.path()));
        well(Command::new("chown").arg("postgres").arg(machine.path("pg")));
        let data = machine.path("pg/data");
        well(as_postgres("initdb").args(["-U", "postgres", "-A", "trust", "--no-sync", "-D"]).arg(&data));
        let settings = format!(
            "listen_addresses = ''\nunix_socket_directories = '{}'\nfsync = off\n",
            machine.path("pg").display()
        );
        std::fs::write(data.join("postgresql.conf"), settings).unwrap();
        well(
            as_postgres("pg_ctl")
                .args(["-s", "-w", "start", "-l"])
                .arg(machine.path("pg/log"))
                .arg("-D")
                .arg(&data),
        );
        machine.psql(
            "create table ledger(n int primary key); insert into ledger select generate_series(1, 20000)",
        );
        machine.cutwater_root();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn cutwater_root(&self) {
        let own = self.root.path();
        std::fs::create_dir_all(own.join("etc/cutwater")).unwrap();
        std::fs::create_dir_all(own.join("var/lib/cutwater")).unwrap();
        let cache = "var/lib/cutwater/cache";
        std::os::unix::fs::symlink(root().join(cache), own.join(cache)).unwrap();
        let policy = format!(
            "cutwater-policy: 1\nholds-without-scope: true\nfaults: allow\npath: [{PROGRAMS}, /usr/sbin, /usr/bin, /sbin, /bin]\n"
        );
        std::fs::write(own.join("etc/cutwater/policy.yaml"), policy).unwrap();
    }

    fn psql(&self, text: &str) -> String {
        let folder = self.path("pg");
        let output = as_postgres("psql")
            .args(["-XAtq", "-U", "postgres", "-h"])
            .arg(folder)
            .args(["-c", text])
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn cutwater(&self, args: &[&str]) -> Said {
        cutwater(self.folder.path(), self.root.path(), args)
    }

    /// A shipped workflow on this server.
    fn arguments(&self, verb: &str, name: &str, more: &[&str]) -> Vec<String> {
        let file = tree().join(format!("workflows/postgres/{name}.yaml"));
        let socket = format!("socket={}", self.path("pg/.s.PGSQL.5432").display());
        let under = format!("under={}", self.path("backup").display());
        let file = file.to_string_lossy();
        let inputs = ["--input", &socket, "--input", &under, "--input", "name=night"];
        [&[verb, &*file], &inputs[..], more].concat().into_iter().map(str::to_owned).collect()
    }

    fn workflow(&self, verb: &str, name: &str) -> Said {
        cutwater(self.folder.path(), self.root.path(), &self.arguments(verb, name, &[]))
    }

    fn command(&self, verb: &str, name: &str, more: &[&str]) -> Command {
        let mut command = Command::new(cutwater_lab::built_program("cutwater").unwrap());
        command
            .arg("--root")
            .arg(self.root.path())
            .args(self.arguments(verb, name, more))
            .stdin(Stdio::null());
        command
    }

    fn planned(&self, name: &str) {
        let said = self.workflow("plan", name);
        assert_eq!(said.code, 0, "{said:?}");
        let golden = tree().join(format!("workflows/postgres/{name}.plan"));
        let text = said.out.replace(&*self.folder.path().to_string_lossy(), "/DIR");
        let lines =
            text.lines().map(|line| if line.starts_with("hash ") { "hash ID" } else { line.trim_end() });
        let text = lines.collect::<Vec<_>>().join("\n");
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(text.trim(), expected.trim(), "{} is not the plan any more", golden.display());
    }

    /// What lies in the folder of backups.
    fn backups(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("backup")).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn sessions(&self) -> String {
        self.psql("select count(*) from pg_stat_activity where application_name like 'cutwater%'")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let mut stop = as_postgres("pg_ctl");
        let _ = stop.args(["-s", "-w", "-m", "immediate", "stop", "-D"]).arg(self.path("pg/data")).output();
    }
}

fn as_postgres(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups"]);
    command.arg(Path::new(PROGRAMS).join(program)).stdin(Stdio::null());
    command
}

fn well(command: &mut Command) {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}");
}

/// Sabotage: a plan that leaves out what the programs write; a hold that is not given back at the end.
#[test]
fn a_database_is_dumped_and_backed_up_as_planned_and_comes_back() {
    let machine = Machine::new();
    machine.planned("dump");
    machine.planned("base-backup");
    assert!(machine.backups().is_empty(), "a plan changes nothing");
    for (name, made) in [("dump", "night-database/database"), ("base-backup", "night/data")] {
        let said = machine.workflow("run", name);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(machine.path("backup").join(made).exists(), "{said:?}");
    }
    assert_eq!(machine.backups(), ["night", "night-database", "night-globals"]);
    assert_eq!(machine.sessions(), "0");

    machine.psql("create database again");
    let dump = machine.path("backup/night-database/database");
    let here = machine.path("pg");
    well(as_postgres("pg_restore").arg("-h").arg(&here).args(["-d", "again"]).arg(dump));
    let again = as_postgres("psql")
        .args(["-XAtq", "-d", "again", "-c", "select count(*), sum(n) from ledger", "-h"])
        .arg(&here)
        .output();
    assert_eq!(String::from_utf8(again.unwrap().stdout).unwrap().trim(), "20000|200010000");

    let said = machine.workflow("run", "dump");
    assert!(said.code != 0 && format!("{}{}", said.out, said.err).contains("is not this step's"), "{said:?}");
    assert_eq!(machine.backups(), ["night", "night-database", "night-globals"], "the first night stays");
}

/// The guard may have gone on with the run before anybody asks.
///
/// Sabotage: an undo of the dump that leaves the folder, or that finds its own mark no more; globals that stay where the database
/// was not dumped.
#[test]
fn a_dump_whose_engine_dies_leaves_nothing() {
    let machine = Machine::new();
    for (name, strike) in [
        ("dump", "killed-after@checkpointed:database"),
        ("dump", "killed-after@answered:database"),
        ("base-backup", "killed-after@checkpointed:backup"),
    ] {
        let status =
            machine.command("run", name, &["--fault", strike]).stdout(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), None, "{name} was not killed at {strike}: {status}");
        // One that has an owner is followed by `watch`, one that has none is gone on with by `resume`.
        let runs = machine.cutwater(&["runs", "--json"]).out;
        let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
        let id = runs.as_array().unwrap().last().unwrap()["run"].as_str().unwrap().to_owned();
        for _ in 0..2 {
            machine.cutwater(&["resume", &id]);
            machine.cutwater(&["watch", &id]);
        }
        let shown = machine.cutwater(&["show", &id]);
        let ended = if name == "dump" { "everything is undone" } else { "done" };
        assert!(shown.out.contains(ended), "{strike}: {shown:?}");
        match name {
            "dump" => assert!(machine.backups().is_empty(), "{strike}: {:?}", machine.backups()),
            _ => assert_eq!(machine.backups(), ["night"], "nothing had to be given back: it goes on"),
        }
        assert_eq!(machine.sessions(), "0");
    }
}
